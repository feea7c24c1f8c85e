//! What comes to the webhooks from strangers, and what comes from a source and cannot be read.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::fhir::reference;
use crate::hapi::Options;
use crate::logs::CANARY;
use crate::site::{INBOUND, Site, acting};

/// Who cannot prove to be a source learns nothing, not even what there is.
pub async fn strangers_learn_nothing(options: Options) {
    let site = Site::start(options, "strangers").await;
    std::fs::write(site.secret("path"), "unguessable").unwrap();
    std::fs::write(site.secret("hmac"), "shared").unwrap();
    let base = site.server.base_url();
    let by_path = json!({"base": base, "inbound": {"type": "path", "secret": {"file": site.secret("path")}}});
    site.must(Method::PUT, "sources/by-path", Some(by_path)).await;
    let signed =
        json!({"base": base, "inbound": {"type": "hmac", "header": "X-Signature", "secret": {"file": site.secret("hmac")}}});
    site.must(Method::PUT, "sources/signed", Some(signed)).await;

    let body = site.patient("a").to_string();
    let (own, right, wrong) = (&site.tenant, [("authorization", INBOUND)], [("authorization", "Bearer guessed")]);
    let nowhere = |status: StatusCode| (status, String::new());
    let post = |path: String, headers: Vec<(&'static str, &'static str)>| {
        let (site, body) = (&site, body.clone());
        async move { site.notify(Method::POST, &path, &headers, body).await }
    };
    // Unknown tenants and sources, whatever is sent along, are one 404; and so is a wrong secret in the path.
    for path in [
        "nobody/hapi/x.0".to_owned(),
        format!("{own}/nothing/x.0"),
        "NOT%20A%20NAME/hapi".to_owned(),
        format!("{own}/by-path/guessed/x.0"),
        format!("{own}/by-path"),
    ] {
        for headers in [Vec::new(), right.to_vec(), wrong.to_vec()] {
            assert_eq!(post(path.clone(), headers).await, nowhere(StatusCode::NOT_FOUND), "{path}");
        }
    }
    for headers in [Vec::new(), wrong.to_vec()] {
        assert_eq!(post(format!("{own}/hapi/x.0"), headers).await, nowhere(StatusCode::UNAUTHORIZED));
    }
    for signature in ["", "00", "sha256=00", "4e5d3a"] {
        assert_eq!(post(format!("{own}/signed/x.0"), vec![("x-signature", signature)]).await, nowhere(StatusCode::UNAUTHORIZED));
    }
    assert_eq!(post(format!("{own}/signed/x.0"), Vec::new()).await, nowhere(StatusCode::UNAUTHORIZED));
    // The right ones are taken.
    assert_eq!(post(format!("{own}/hapi/x.0"), right.to_vec()).await.0, StatusCode::OK);
    assert_eq!(post(format!("{own}/by-path/unguessable/x.0"), Vec::new()).await.0, StatusCode::OK);
    // They are kept, as what has no id to be told apart by; nothing of a stranger is.
    site.quiet().await;
    let dead = site.get("dead").await;
    let from: Vec<_> = dead["notifications"].as_array().unwrap().iter().map(|dead| dead["source"].as_str().unwrap()).collect();
    assert_eq!(from, ["by-path", "hapi"]);
    site.end().await;
}

/// What is authentic and cannot be read is kept with what was wrong, answered 2xx, and does not hold up what comes after it.
pub async fn what_cannot_be_read_is_kept(options: Options) {
    let site = Site::start(options, "unreadable").await;
    let more = format!("[[on]]\nchange = \"{}\"\n", site.criteria("Patient", "a"));
    site.deploy("watcher", &more, json!({"change": [["reject", "unwilling", format!("will not see {CANARY}")]]})).await;

    let path = format!("{}/hapi/watcher.0", site.tenant);
    let json_type = ("content-type", "application/fhir+json");
    let bodies = [
        format!("{{\"resourceType\": \"Patient\", \"name\": [{{\"family\": \"{CANARY}"),
        format!("{{\"hello\": \"{CANARY}\"}}"),
        format!("{{\"resourceType\": \"Patient\", \"text\": \"{}\"}}", CANARY.repeat(64 * 1024 / CANARY.len() + 1)),
        CANARY.repeat(64 * 1024),
    ];
    for body in &bodies {
        let (status, answer) = site.notify(Method::PUT, &path, &[("authorization", INBOUND), json_type], body.clone()).await;
        assert!(status.is_success() && !answer.contains(CANARY), "{status} {answer}");
    }

    let patient = reference(&site.fhir.create(&site.patient("a")).await);
    let run = site.runs("watcher", 1).await.remove(0);
    assert_eq!((&run["subject"], &run["state"]), (&json!(format!("{patient} v1")), &json!("rejected")), "{run:#}");
    assert_eq!(run["failure"]["code"], "unwilling");
    site.quiet().await;

    let dead = site.get("dead").await;
    let mut dead = dead["notifications"].as_array().unwrap().clone();
    dead.reverse();
    assert_eq!(dead.len(), 4, "{dead:#?}");
    for (dead, body) in dead.iter().zip(&bodies) {
        assert_eq!(
            (&dead["source"], &dead["subscription"], &dead["bytes"]),
            (&json!("hapi"), &json!("watcher.0"), &json!(body.len()))
        );
        let (code, message) = (dead["reason"]["code"].as_str().unwrap(), dead["reason"]["message"].as_str().unwrap());
        assert!(!code.is_empty() && !message.is_empty() && !message.contains(CANARY), "{dead:#}");
    }
    assert!(dead[2..].iter().all(|dead| dead["reason"]["code"] == "notification-too-large"), "{dead:#?}");
    site.end().await;
}

/// A manifest with an unknown key is refused with file, line and key; what is wrong otherwise is said without patient data.
pub async fn a_bad_deploy_says_what_and_where(options: Options) {
    let site = Site::start(options, "deploys").await;
    let cases = [
        ("hapi", "colour = \"red\"\n[[on]]\ninvoke = true\n", "manifest", "bot.toml:3:"),
        ("hapi", "versions = 7\n[[on]]\ninvoke = true\n", "manifest", "bot.toml:3:"),
        ("nowhere", "[[on]]\ninvoke = true\n", "source-unknown", "nowhere"),
    ];
    for (source, more, code, says) in cases {
        let body = acting(source, "bot", "1.0.0", more, json!({}));
        let (status, answer) = site.call(Method::POST, "bots", Some(body)).await;
        assert_eq!((status, &answer["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(code)), "{answer:#}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(says), "{answer:#}");
    }
    let unset = json!({"base": site.server.base_url(), "inbound": {"type": "path", "secret": {"file": site.secret("missing")}}});
    let (status, answer) = site.call(Method::PUT, "sources/other", Some(unset)).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("secret")), "{answer:#}");
    assert_eq!(site.get("bots").await["bots"], json!([]));
    site.end().await;
}
