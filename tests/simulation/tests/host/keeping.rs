//! Keys of a ledger in use, on SQLite and by the real clock.

use std::sync::Arc;

use hob_ledger::sqlite::SqliteLedger;
use hob_ledger::{Ledger, LedgerError, MasterKey, RunKey};
use hob_model::{Effects, Failure, RunState};
use http::Method;
use serde_json::json;

use crate::site::{Asked, EHR, Site};

fn nothing(_asked: &Asked<'_>) -> Result<Effects, Failure> {
    Ok(Effects::default())
}

#[tokio::test]
async fn what_was_kept_under_old_keys_is_read_after_a_rotation_and_the_old_master_key_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = (folder.path().join("ledger.db"), folder.path().join("master.key"));
    let old = MasterKey::generate();
    std::fs::write(&file, old.to_hex()).unwrap();
    let open = {
        let (path, file) = (path.clone(), file.clone());
        move || {
            let key = MasterKey::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
            Arc::new(SqliteLedger::open(&path, key).unwrap()) as Arc<dyn Ledger>
        }
    };
    let mut site = Site::start(open, folder, &[EHR], nothing).await;
    site.deploy("bot", "[[on]]\nchange = \"Task\"").await;
    site.write("a", "ready");
    let first = site.until("bot", &[("Task/a 1", RunState::Done)]).await.remove(0);

    for (body, generation) in [(json!({}), 2), (json!({"tenant": "clinic"}), 3), (json!({"master": true}), 3)] {
        let (status, keys) = site.call(Method::POST, "/v1/keys/rotate", body).await;
        assert!(status.is_success(), "{keys:#}");
        assert_eq!(keys["tenants"][0]["generation"], generation);
    }
    let new = MasterKey::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_ne!(new, old);
    site.write("a", "ready");
    let both = [("Task/a 1", RunState::Done), ("Task/a 2", RunState::Done)];
    site.until("bot", &both).await;
    let all = site.call(Method::GET, "/v1/doctor?thorough=true", json!({})).await.1;
    let failed = all["findings"].as_array().unwrap().iter().find(|finding| finding["level"] == "fail");
    assert!(failed.is_none(), "{all:#}");

    site.stop().await;
    let refused = SqliteLedger::open(&path, old.clone()).unwrap_err();
    assert_eq!(refused, LedgerError::WrongKey { path: path.clone(), needs: new.id(), given: old.id() });
    assert!(refused.to_string().contains("give the right key"), "{refused}");
    site.again().await;
    site.until("bot", &both).await;
    let run = RunKey { tenant: site.tenant.clone(), run: first.run };
    assert_eq!(site.ledger.load(&run).await.unwrap().event.id, site.seen("bot")[0].id);
    site.write("a", "ready");
    site.until("bot", &[both[0], both[1], ("Task/a 3", RunState::Done)]).await;
    site.stop().await;
}
