//! Single interactions, Subscriptions and the source check.

use hob_fhir::subscriptions::{self, Dialect, Wanted};
use hob_fhir::{FhirErrorKind, Secret, check, commit};
use hob_model::{Interaction, Write};
use hob_tests::hapi::Options;
use serde_json::json;

use crate::world::{World, committed, effects, version, versions};

pub async fn reads_versions_and_histories(options: Options) {
    let world = World::new(options);
    let (patient, _) = world.existing().await;
    world.somebody_edits(&patient).await;
    world.somebody_deletes(&patient).await;
    assert_eq!(world.client.read(&patient).await.unwrap_err().kind, FhirErrorKind::Gone);
    let never = "Patient/0never0".parse().unwrap();
    assert_eq!(world.client.read(&never).await.unwrap_err().kind, FhirErrorKind::NotFound);
    let first = world.client.vread(&patient, &version("1")).await.unwrap();
    assert!(first.resource.get("language").is_none() && first.last_updated.is_some() && first.date.is_some());
    assert_eq!(world.client.vread(&patient, &version("3")).await.unwrap_err().kind, FhirErrorKind::Gone);

    // Page by page, and in one.
    let mut page = world.client.history(&patient, Some(1)).await.unwrap();
    let mut seen = page.history().unwrap();
    while let Some(next) = page.next {
        page = world.client.more(&world.client.link(next.as_str()).unwrap()).await.unwrap();
        seen.extend(page.history().unwrap());
    }
    let kinds: Vec<_> = seen.iter().map(|entry| (entry.version.as_str(), entry.interaction)).collect();
    assert_eq!(kinds, [("3", Interaction::Delete), ("2", Interaction::Update), ("1", Interaction::Create)]);
    let whole = world.client.type_history(&"Patient".parse().unwrap(), first.last_updated, Some(1000)).await.unwrap();
    assert_eq!(whole.history().unwrap().iter().filter(|entry| entry.reference == patient).count(), 3);
}

pub async fn searches_are_strict_and_paged(options: Options) {
    let world = World::new(options);
    let writes = (0..5).map(|n| world.create(world.observation(&format!("page {n}")))).collect();
    committed(commit::commit(&world.client, &world.plan(&effects(writes), &world.slot().await)).await);
    let observation = "Observation".parse().unwrap();
    let name = world.slot().await.name;
    let mut page =
        world.client.search(&observation, &format!("identifier=urn:hob:test%7C{name}&_count=2&_sort=_id")).await.unwrap();
    let mut found = page.matches().unwrap().len();
    while let Some(next) = page.next {
        page = world.client.more(&next).await.unwrap();
        found += page.matches().unwrap().len();
    }
    assert_eq!(found, 5);
    for (query, kind) in [
        ("licence=CANARY", FhirErrorKind::Invalid),
        ("_licence=CANARY", FhirErrorKind::SearchIgnored),
        ("status:exactly=CANARY", FhirErrorKind::SearchIgnored),
    ] {
        let error = world.client.search(&observation, query).await.unwrap_err();
        assert_eq!(error.kind, kind);
        assert!(!format!("{error} {error:?}").contains("CANARY"), "{error}");
    }
}

pub async fn subscriptions_are_made_changed_and_set_off(options: Options) {
    let world = World::new(options);
    let name = world.slot().await.name;
    let mut wanted = Wanted {
        criteria: "Task?status=ready".to_owned(),
        endpoint: format!("http://127.0.0.1:9/in/default/hapi/{name}"),
        headers: vec![("Authorization".to_owned(), Secret::new("Bearer CANARY"))],
        signing_secret: None,
        deletes: true,
        reason: "Hob: test".to_owned(),
        dialect: Dialect::of(&world.client.capability_statement().await.unwrap()),
    };
    assert_eq!(wanted.dialect, Dialect::Hapi);
    let made = subscriptions::ensure(&world.client, &wanted).await.unwrap();
    assert_eq!(made.len(), 1);
    assert!(made[0].mark.is_some() && made[0].changes[0].starts_with("created Subscription/"), "{made:?}");
    let again = subscriptions::ensure(&world.client, &wanted).await.unwrap();
    assert_eq!((&again[0].reference, again[0].changes.len()), (&made[0].reference, 0), "{again:?}");
    wanted.criteria = "Task?status=requested".to_owned();
    let changed = subscriptions::ensure(&world.client, &wanted).await.unwrap();
    assert_eq!(changed[0].reference, made[0].reference);
    assert!(changed[0].changes[0].ends_with("criteria from `Task?status=ready` to `Task?status=requested`"), "{changed:?}");
    assert!(!format!("{made:?}{changed:?}").contains("CANARY"));
    let off = subscriptions::off(&world.client, &wanted.endpoint).await.unwrap();
    assert_eq!(off, [format!("set {} off", made[0].reference)]);
    assert_eq!(world.client.read(&made[0].reference).await.unwrap().resource["status"], "off");
    assert!(subscriptions::off(&world.client, &wanted.endpoint).await.unwrap().is_empty());
}

pub async fn the_source_check_proves_hapi_and_leaves_nothing(options: Options) {
    let world = World::new(options);
    let mut steps = Vec::new();
    let report = check::run(&world.client, &mut |step: &check::Step| steps.push(step.clone())).await.unwrap();
    assert!(report.usable, "{report:?}");
    assert!(report.problems.is_empty(), "{report:?}");
    let found = &report.capabilities;
    assert_eq!(found.software.as_deref(), Some("HAPI FHIR Server 8.8.0"));
    assert_eq!(found.conflict_status, Some(409));
    assert_eq!(found.transaction_entries, 101);
    assert_eq!(found.client_ids, options.client_ids);
    assert!(
        found.instance_history
            && found.type_history
            && found.history_shows_deletes
            && found.integer_versions
            && found.strict_search
    );
    let refused: Vec<_> = steps.iter().filter(|step| !step.ok).map(|step| step.step).collect();
    // HAPI does not look at If-Match on deletes.
    let expected: &[&str] = if options.client_ids { &["delete-if-match"] } else { &["delete-if-match", "client-ids"] };
    assert_eq!(refused, expected, "{steps:?}");
    assert_eq!(steps.last().map(|step| (step.step, step.ok)), Some(("cleanup", true)));
    let left = world.client.search(&"Basic".parse().unwrap(), "identifier=urn:hob:check%7C").await.unwrap();
    assert!(left.matches().unwrap().is_empty());
}

pub async fn validates_and_knows_final_ids(options: Options) {
    let world = World::new(options);
    let mut nonsense = world.observation("x");
    nonsense["status"] = json!("nonsense");
    let outcome = world.client.validate(&nonsense).await.unwrap();
    assert!(outcome["issue"].as_array().unwrap().iter().any(|issue| issue["severity"] == "error"), "{outcome}");
    if options.client_ids {
        let mut write = world.create(world.observation("final"));
        if let Write::Create { reference, is_final, .. } = &mut write {
            *reference = format!("Observation/final-{}", world.slot().await.name);
            *is_final = true;
        }
        let plan = world.plan(&effects(vec![write]), &world.slot().await);
        let first = committed(commit::commit(&world.client, &plan).await);
        let again = committed(commit::commit(&world.client, &plan).await);
        assert_eq!((versions(&first), first.written), (vec!["1".to_owned()], again.written));
    }
}
