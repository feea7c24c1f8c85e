//! Effects once, in each window.

use std::time::Duration;

use futures::future::join_all;
use hob_fhir::commit::{self, CommitOutcome, Finding, Stale};
use hob_model::{Effects, Guard, Interaction, Write};
use hob_tests::hapi::Options;
use hob_tests::proxy::{Mode, Proxy};
use serde_json::json;

use crate::world::{World, committed, effects, references, version, versions};

/// Long enough for a slow machine's answer, where one comes.
const PATIENT: Duration = Duration::from_secs(30);
/// For answers that are held back.
const IMPATIENT: Duration = Duration::from_millis(500);

/// Two creates, the second referring to the first, and one update.
async fn three(world: &World) -> Effects {
    let (patient, content) = world.existing().await;
    let first = world.create(world.observation("first"));
    let Write::Create { reference, .. } = &first else { unreachable!() };
    let mut second = world.observation("second");
    second["derivedFrom"] = json!([{"reference": reference}]);
    effects(vec![first, world.create(second), world.update(&patient, &content, "1")])
}

pub async fn happens_once_however_often_it_is_sent(options: Options) {
    let world = World::new(options);
    let slot = world.slot().await;
    let plan = world.plan(&three(&world).await, &slot);
    let first = committed(commit::commit(&world.client, &plan).await);
    assert!(!first.recovered);
    assert_eq!(versions(&first), ["1", "1", "2"]);
    assert_eq!(first.urns.len(), 2);
    let ids = references(&first);
    let second = world.client.read(&ids[1]).await.unwrap();
    assert_eq!(second.resource["derivedFrom"][0]["reference"], json!(ids[0].to_string()));

    for _ in 0..2 {
        let again = committed(commit::commit(&world.client, &plan).await);
        assert!(again.recovered);
        assert_eq!((references(&again), versions(&again), &again.urns), (ids.clone(), versions(&first), &first.urns));
        assert_eq!(again.slot, first.slot);
    }
    assert_eq!(world.observations().await, 2);
    assert_eq!(world.version_of(&ids[2]).await, version("2"));
    // The slot serves the next run, and the one before is still found out.
    let next = world.plan(&effects(vec![world.create(world.observation("next"))]), &first.slot.unwrap());
    committed(commit::commit(&world.client, &next).await);
    let Finding::Happened(found) = commit::find_out(&world.client, &plan).await.unwrap() else { panic!("forgotten") };
    assert_eq!(references(&found), ids);
    assert_eq!(world.slot().await.version, version("3"), "the slot is found by its name, not made again");
}

pub async fn of_eight_at_once_one_happens(options: Options) {
    let world = World::new(options);
    let plan = world.plan(&three(&world).await, &world.slot().await);
    let sent = join_all((0..8).map(|_| world.client.transaction(plan.bytes.clone()))).await;
    assert_eq!(sent.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(world.observations().await, 2);

    // With burns between them either one happens and all learn of it, or none and nobody claims it.
    let slot = world.slot().await;
    let plan = world.plan(&effects(vec![world.create(world.observation("third"))]), &slot);
    let outcomes = join_all((0..8).map(|_| commit::commit(&world.client, &plan))).await;
    let happened = outcomes.iter().any(|outcome| matches!(outcome, CommitOutcome::Committed(_)));
    for outcome in &outcomes {
        match outcome {
            CommitOutcome::Committed(_) => assert!(happened),
            CommitOutcome::Conflict { .. } => assert!(!happened, "one says done, another says never"),
            CommitOutcome::Unknown { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(world.observations().await, if happened { 3 } else { 2 });
}

pub async fn a_lost_answer_is_found_out_and_others_work_stands(options: Options) {
    let world = World::new(options);
    let proxy = Proxy::start(&world.base).await;
    let client = world.client_through(&proxy.base_url(), PATIENT);
    let plan = world.plan(&three(&world).await, &world.slot().await);
    proxy.set(Mode::DropAnswer);
    let outcome = commit::commit(&client, &plan).await;
    assert!(matches!(outcome, CommitOutcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(proxy.lost(1).await, [200]);

    // Before the repeat somebody deletes one, edits the other and what was updated. What refers goes first where integrity is kept.
    let Finding::Happened(found) = commit::find_out(&world.client, &plan).await.unwrap() else { panic!("it happened") };
    let ids = references(&found);
    world.somebody_deletes(&ids[1]).await;
    world.somebody_edits(&ids[0]).await;
    world.somebody_edits(&ids[2]).await;
    proxy.set(Mode::Pass);
    let repeat = committed(commit::commit(&client, &plan).await);
    assert!(repeat.recovered);
    assert_eq!(references(&repeat), ids);
    assert_eq!(versions(&repeat), ["1", "1", "2"], "only what the run itself made is claimed");
    assert_eq!(world.observations().await, 1);
    assert_eq!(world.version_of(&ids[0]).await, version("2"));
    assert_eq!(world.version_of(&ids[2]).await, version("3"));
}

pub async fn a_late_send_is_stopped_by_a_burn(options: Options) {
    let world = World::new(options);
    let proxy = Proxy::start(&world.base).await;
    let client = world.client_through(&proxy.base_url(), IMPATIENT);
    let slot = world.slot().await;
    let plan = world.plan(&three(&world).await, &slot);
    proxy.set(Mode::Hold);
    let outcome = commit::commit(&client, &plan).await;
    assert!(matches!(outcome, CommitOutcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(commit::find_out(&world.client, &plan).await.unwrap(), Finding::NotYet);

    let Finding::Never { slot: Some(burnt) } = commit::burn(&world.client, &plan).await.unwrap() else {
        panic!("it had not happened")
    };
    assert_eq!(burnt.version, version("2"));
    // The host goes on with another attempt, and only then the first one arrives.
    let next = world.plan(&three(&world).await, &burnt);
    committed(commit::commit(&world.client, &next).await);
    proxy.release();
    assert_eq!(proxy.late(1).await, [409]);
    assert_eq!(world.observations().await, 2);
    assert!(
        matches!(commit::burn(&world.client, &plan).await.unwrap(), Finding::Never { slot: Some(_) }),
        "a burn may be repeated"
    );

    // The other way round: it had arrived, so the burn finds it.
    let proxy = Proxy::start(&world.base).await;
    let client = world.client_through(&proxy.base_url(), PATIENT);
    proxy.set(Mode::DropAnswer);
    let plan = world.plan(&effects(vec![world.create(world.observation("late"))]), &world.slot().await);
    commit::commit(&client, &plan).await;
    let Finding::Happened(found) = commit::burn(&world.client, &plan).await.unwrap() else { panic!("it happened") };
    assert_eq!(versions(&found), ["1"]);
    assert_eq!(world.observations().await, 3);
}

pub async fn what_moved_on_is_a_conflict_and_leaves_nothing(options: Options) {
    let world = World::new(options);
    let mut slot = world.slot().await;
    let stale = three(&world).await;
    let Write::Update { target, resource, .. } = &stale.writes[2] else { unreachable!() };
    world.somebody_edits(target).await;
    let outcome = commit::commit(&world.client, &world.plan(&stale, &slot)).await;
    let CommitOutcome::Conflict { error, slot: Some(moved) } = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.status, Some(409));
    assert_ne!(moved.version, slot.version);
    slot = moved;
    assert_eq!(world.observations().await, 0);

    // On fresh reads it goes through.
    let fresh = effects(vec![world.update(target, resource, "2")]);
    slot = committed(commit::commit(&world.client, &world.plan(&fresh, &slot)).await).slot.unwrap();

    // Deleted in between: an update must not bring it back.
    world.somebody_deletes(target).await;
    let late = effects(vec![world.create(world.observation("x")), world.update(target, resource, "3")]);
    let outcome = commit::commit(&world.client, &world.plan(&late, &slot)).await;
    let CommitOutcome::Conflict { slot: Some(moved), .. } = outcome else { panic!("{outcome:?}") };
    assert!(world.client.read(target).await.is_err());

    // Refused for good: also leaves nothing, and the slot goes on.
    let mut nonsense = world.observation("x");
    nonsense["status"] = json!("nonsense");
    let refused = effects(vec![world.create(world.observation("x")), world.create(nonsense)]);
    let outcome = commit::commit(&world.client, &world.plan(&refused, &moved)).await;
    let CommitOutcome::Refused { error, slot: Some(moved) } = outcome else { panic!("{outcome:?}") };
    assert!(!error.to_string().contains("nonsense") && error.outcome.is_some(), "{error}");
    assert_eq!(world.observations().await, 0);
    committed(commit::commit(&world.client, &world.plan(&effects(vec![world.create(world.observation("y"))]), &moved)).await);
}

pub async fn a_slot_that_somebody_deletes_lets_nothing_through(options: Options) {
    let world = World::new(options);
    let slot = world.slot().await;
    let plan = world.plan(&three(&world).await, &slot);
    world.somebody_deletes(&slot.reference).await;
    let outcome = commit::commit(&world.client, &plan).await;
    assert!(matches!(outcome, CommitOutcome::Conflict { slot: None, .. }), "{outcome:?}");
    assert_eq!(world.observations().await, 0);

    // Deleted after the commit: its history still tells.
    let slot = world.slot().await;
    let plan = world.plan(&three(&world).await, &slot);
    let first = committed(commit::commit(&world.client, &plan).await);
    world.somebody_deletes(&slot.reference).await;
    let again = committed(commit::commit(&world.client, &plan).await);
    assert_eq!((references(&again), again.slot.is_none()), (references(&first), true));
    assert_eq!(world.observations().await, 2);
}

pub async fn guards_hold_and_make_no_version(options: Options) {
    let world = World::new(options);
    let slot = world.slot().await;
    let (patient, content) = world.existing().await;
    let guarded = |read: &str| Effects {
        writes: vec![world.create(world.observation("guarded"))],
        guards: vec![Guard { target: patient.clone(), version: version(read) }],
        ..Effects::default()
    };
    let first = committed(commit::commit(&world.client, &world.plan(&guarded("1"), &slot)).await);
    assert_eq!(world.version_of(&patient).await, version("1"));
    world.somebody_edits(&patient).await;
    let outcome = commit::commit(&world.client, &world.plan(&guarded("1"), &first.slot.unwrap())).await;
    let CommitOutcome::Conflict { slot: Some(slot), .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(world.observations().await, 1);
    // A write of the same resource is its own guard.
    let both = Effects {
        guards: vec![Guard { target: patient.clone(), version: version("2") }],
        ..effects(vec![world.update(&patient, &content, "2")])
    };
    let plan = world.plan(&both, &slot);
    assert_eq!(plan.entries(), 2);
    let done = committed(commit::commit(&world.client, &plan).await);
    // Deleted: a guard that names a version before it does not hold.
    world.somebody_deletes(&patient).await;
    let outcome = commit::commit(&world.client, &world.plan(&guarded("3"), &done.slot.unwrap())).await;
    assert!(matches!(outcome, CommitOutcome::Conflict { .. }), "{outcome:?}");
}

pub async fn deletes_and_conditional_creates_are_looked_at_before(options: Options) {
    let world = World::new(options);
    let slot = world.slot().await;
    let (patient, _) = world.existing().await;
    let mut conditional = world.create(world.observation("once"));
    if let Write::Create { if_none_exist, resource, .. } = &mut conditional {
        *if_none_exist = Some(format!("identifier=urn:hob:test%7C{}", resource["identifier"][0]["value"].as_str().unwrap()));
    }
    let gone = Write::Delete { target: patient.clone(), read: version("1") };
    let wanted = effects(vec![gone, conditional]);
    assert_eq!(commit::precheck(&world.client, &wanted).await.unwrap(), None);
    let plan = world.plan(&wanted, &slot);
    let first = committed(commit::commit(&world.client, &plan).await);
    assert_eq!(
        first.written.iter().map(|w| (w.interaction, w.existed)).collect::<Vec<_>>(),
        [(Interaction::Delete, false), (Interaction::Create, false)]
    );
    assert_eq!(versions(&first), ["2", "1"]);
    let again = committed(commit::commit(&world.client, &plan).await);
    assert_eq!((versions(&again), references(&again)), (versions(&first), references(&first)));

    let (other, _) = world.existing().await;
    let stale = effects(vec![Write::Delete { target: other.clone(), read: version("1") }]);
    world.somebody_edits(&other).await;
    assert_eq!(commit::precheck(&world.client, &stale).await.unwrap(), Some(Stale::Changed { effect: 0 }));
    world.somebody_deletes(&other).await;
    assert_eq!(commit::precheck(&world.client, &stale).await.unwrap(), Some(Stale::Changed { effect: 0 }));
    let exists = effects(vec![wanted.writes[1].clone()]);
    assert_eq!(commit::precheck(&world.client, &exists).await.unwrap(), Some(Stale::Exists { effect: 0 }));
    // Sent all the same, the server says what it found, and nothing is claimed as written.
    let found = committed(commit::commit(&world.client, &world.plan(&exists, &again.slot.unwrap())).await);
    assert!(found.written[0].existed && found.written[0].version.is_none());
    assert_eq!(references(&found)[0], references(&first)[1]);
}
