//! The source check on servers of several manners: it proves what is there and nothing else, and leaves nothing.

use std::sync::Arc;

use hob_fhir::check::{self, Step};
use hob_fhir::{Client, ClientConfig, Credentials};
use hob_host::SystemClock;
use hob_model::{BaseUrl, Capabilities};
use hob_testserver::{ConflictStatus, Settings, VersionIds};

use crate::server::start;

/// What was proved, and which steps were not.
async fn checked(change: impl FnOnce(&mut Settings)) -> (Capabilities, Vec<&'static str>) {
    let mut proved = None;
    let (base, running) = start(|base| {
        let mut settings = Settings::standard(base);
        change(&mut settings);
        proved = Some(settings.clone());
        settings
    });
    let base = BaseUrl::new(&base).unwrap();
    let client = Client::at(&base, Credentials::None, ClientConfig::default(), Arc::new(SystemClock)).unwrap();
    let mut steps: Vec<Step> = Vec::new();
    let report = check::run(&client, &mut |step| steps.push(step.clone())).await.unwrap();
    assert!(report.usable && report.problems.is_empty(), "{report:?}");
    assert_eq!(steps.last().map(|step| (step.step, step.ok)), Some(("cleanup", true)));
    let left = running.with(|server| server.current().filter(|kept| kept.resource.is_some()).count());
    assert_eq!(left, 0, "nothing is left");
    let found = Capabilities { notes: Vec::new(), ..report.capabilities.clone() };
    assert_eq!(proved.map(|settings| settings.proved(found.checked)), Some(found), "what hosts of other tests begin with");
    let refused = steps.iter().filter(|step| !step.ok).map(|step| step.step).collect();
    (report.capabilities, refused)
}

fn all_but(found: &Capabilities) -> [bool; 8] {
    [
        found.atomic,
        found.fence,
        found.client_ids,
        found.instance_history,
        found.type_history,
        found.history_shows_deletes,
        found.integer_versions,
        found.strict_search,
    ]
}

#[tokio::test]
async fn a_standard_server_is_proved_in_everything() {
    let (found, refused) = checked(|_| {}).await;
    assert_eq!((all_but(&found), refused.len()), ([true; 8], 0), "{refused:?}");
    assert_eq!((found.conflict_status, found.transaction_entries), (Some(412), 101));
    assert_eq!(found.software, Some(format!("Hob test server {}", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test]
async fn hapis_manners_are_found_as_on_hapi() {
    let (found, refused) = checked(|settings| *settings = Settings::hapi(settings.base.clone())).await;
    assert_eq!((all_but(&found), found.conflict_status), ([true; 8], Some(409)));
    assert_eq!(refused, ["delete-if-match"]);
}

#[tokio::test]
async fn what_is_not_there_is_not_proved() {
    let (found, refused) = checked(|settings| settings.client_ids = false).await;
    assert_eq!((all_but(&found), refused), ([true, true, false, true, true, true, true, true], vec!["client-ids"]));
    let (found, refused) = checked(|settings| settings.versions = VersionIds::Opaque).await;
    assert_eq!((all_but(&found), refused.len()), ([true, true, true, true, true, true, false, true], 0));
    let (found, refused) = checked(|settings| settings.type_history = false).await;
    assert_eq!((all_but(&found), refused), ([true, true, true, true, false, true, true, true], vec!["type-history"]));
    let (found, refused) = checked(|settings| settings.conflict = ConflictStatus::Conflict).await;
    assert_eq!((found.conflict_status, refused.len()), (Some(409), 0));
}
