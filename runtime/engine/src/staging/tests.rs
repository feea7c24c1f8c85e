use super::*;
use proptest::prelude::*;
use serde_json::json;

fn run() -> RunId {
    RunId::of_parts(&[b"r"])
}

fn target(id: &str) -> Reference {
    format!("Task/{id}").parse().unwrap()
}

fn task(id: &str, status: &str) -> Value {
    json!({ "resourceType": "Task", "id": id, "status": status })
}

fn base(id: &str, status: &str) -> Base {
    let mut resource = task(id, status);
    resource["meta"] = json!({ "versionId": "3", "lastUpdated": "2026-01-01T00:00:00Z" });
    Base { version: "3".parse().unwrap(), resource: Document::from(resource) }
}

#[test]
fn ids_are_those_of_the_run_and_the_ordinal() {
    let stage = |is_final| {
        let mut staging = Staging::default();
        let kind = ResourceType::new("Task").unwrap();
        let first = staging.create(run(), &kind, task("x", "draft"), None, is_final).unwrap();
        let second = staging.create(run(), &kind, task("x", "draft"), None, is_final).unwrap();
        (first.1, second.1, staging.into_writes())
    };
    let (first, second, writes) = stage(true);
    assert_ne!(first, second);
    assert_eq!(stage(true), (first.clone(), second, writes.clone()));
    assert!(first.starts_with("Task/"));
    assert!(
        matches!(&writes[0], Write::Create { resource, reference, .. } if format!("Task/{}", resource["id"].as_str().unwrap()) == *reference)
    );
    let (first, _, writes) = stage(false);
    assert!(first.starts_with("urn:uuid:") && first.len() == 45, "{first}");
    assert!(matches!(&writes[0], Write::Create { resource, is_final: false, .. } if resource.get("id").is_none()));
}

#[test]
fn an_update_to_what_was_read_is_not_sent() {
    let mut staging = Staging::default();
    staging.update(&target("a"), Document::from(task("a", "ready")), Some(base("a", "ready")));
    assert!(staging.into_writes().is_empty());
    let mut staging = Staging::default();
    staging.update(&target("a"), Document::from(task("a", "done")), Some(base("a", "ready")));
    assert_eq!(staging.len(), 1);
    staging.update(&target("a"), Document::from(task("a", "ready")), None);
    assert_eq!((staging.len(), staging.bytes()), (0, 0));
}

/// One step of a bot on one of two resources; resource `a` is on the server, `b` is a create of this run.
#[derive(Debug, Clone)]
enum Step {
    Update(u8),
    Delete,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(prop_oneof![(0_u8..3).prop_map(Step::Update), Just(Step::Delete)], 0..8)
}

proptest! {
    /// Whatever the order, one write at most goes out for a resource, it says the last word, and it hangs on the version that was read.
    #[test]
    fn merging_keeps_the_last_word(steps in steps()) {
        let mut staging = Staging::default();
        let a = target("a");
        let mut last = Some(0);
        for step in &steps {
            match step {
                Step::Update(status) => {
                    staging.update(&a, Document::from(task("a", &status.to_string())), Some(base("a", "0")));
                    last = Some(*status);
                }
                Step::Delete => {
                    staging.delete(&a, Some(base("a", "0")));
                    last = None;
                }
            }
        }
        let expected_bytes = match staging.seen(&a) { Seen::Content(document) => document.size(), _ => 0 };
        prop_assert_eq!(staging.bytes(), expected_bytes);
        let writes = staging.into_writes();
        match last {
            Some(0) => prop_assert!(writes.is_empty()),
            Some(status) => {
                prop_assert_eq!(writes.len(), 1);
                let expected = Write::Update { target: a, read: "3".parse().unwrap(), resource: task("a", &status.to_string()) };
                prop_assert_eq!(&writes[0], &expected);
            }
            None => prop_assert_eq!(writes, vec![Write::Delete { target: a, read: "3".parse().unwrap() }]),
        }
    }

    /// A create that is changed stays one create; one that is deleted is gone.
    #[test]
    fn a_create_absorbs_what_follows(statuses in prop::collection::vec(0_u8..9, 0..5), end in any::<bool>()) {
        let mut staging = Staging::default();
        let kind = ResourceType::new("Task").unwrap();
        let (b, _) = staging.create(run(), &kind, task("", "first"), None, true).unwrap();
        for status in &statuses {
            staging.update(&b, Document::from(task(b.id.as_str(), &status.to_string())), None);
        }
        if end {
            staging.delete(&b, None);
            prop_assert!(matches!(staging.seen(&b), Seen::Unstaged));
            prop_assert_eq!(staging.bytes(), 0);
            prop_assert!(staging.into_writes().is_empty());
        } else {
            let last = statuses.last().map_or("first".to_owned(), ToString::to_string);
            let writes = staging.into_writes();
            prop_assert_eq!(writes.len(), 1);
            let same = matches!(&writes[0], Write::Create { resource, .. } if resource["status"] == json!(last));
            prop_assert!(same);
        }
    }
}
