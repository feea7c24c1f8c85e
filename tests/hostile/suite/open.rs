//! What does not hold yet.

/// Cases whose refusal is missing in the engine: by what it is known (words, of which one is in what went wrong), and what comes instead. The case
/// says what there should be; one that is refused as it should be must be taken out. Figures of time are those of a debug build.
const OPEN: &[(&str, &[&str], &str)] = &[
    // What the host does for a guest and does not bound before it is done.
    ("parse-slow", ONE_CALL, "one host call is not interrupted, and holds a worker for as long as it takes"),
    ("patch-that-doubles", ONE_CALL, "what a patch makes is not bounded before it is made"),
    ("batch-of-5000000", ONE_CALL, "what one call's arguments are lifted to is not charged, and lifting is not interrupted"),
    ("log-of-newlines", &["of a log of 4 KiB"], "a line costs the log its text alone: empty lines are kept in any number"),
    ("log-not-utf8", &["of a log of 4 KiB"], "each byte that is no UTF-8 costs one and is kept as three"),
    // What is made of a component.
    ("garbage", &["a release was made of it"], "the proposal is on, and a release is made that cannot run"),
    ("exceptions", &["a release was made of it"], "the proposal is on, and a release is made that cannot run"),
    // What a bot learns that its scopes do not give, and what it sends.
    ("patch-asks-what-may-not-be-read", &["it ended well"], "a test of a patch tells what a resource holds"),
    (
        "url-traversal-encoded",
        &["{\"ok\":null}"],
        "an encoded separator leads a receiver that decodes first out of the rule's path",
    ),
    (
        "tenant-names-the-hosts-files",
        &["a release is in service"],
        "a manifest names any file and variable of the host as its secret",
    ),
];

/// One call went on after the CPU time was used up.
const ONE_CALL: &[&str] = &["in one host call"];

/// By what a case is known that is open, and why it is.
pub(crate) fn known(name: &str) -> Option<(&'static [&'static str], &'static str)> {
    OPEN.iter().find(|(case, _, _)| *case == name).map(|(_, signs, why)| (*signs, *why))
}

#[test]
fn every_case_has_one_name_and_every_component_its_case() {
    let names: Vec<String> = crate::groups().into_iter().flat_map(|(_, cases)| cases).map(|case| case.name).collect();
    let mut sorted = names.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), names.len(), "two cases have one name");
    assert!(names.len() >= 60);
    for (open, _, _) in OPEN {
        assert!(names.iter().any(|name| name == open), "{open} is open and no case");
    }
    for entry in std::fs::read_dir(crate::core::folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(names.contains(&name), "{name}.wat is in no case");
        assert!(std::fs::read_to_string(&path).unwrap().starts_with(";; "), "{name}.wat does not say what it tries");
    }
}
