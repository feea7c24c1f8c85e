//! What does not hold yet.

/// Cases whose refusal is missing in the engine, each with what comes instead. The case says what there should be; one that is refused as it
/// should be must be taken out.
const OPEN: &[(&str, &str)] = &[
    // What the host holds or does for a guest and does not charge, or not in time.
    (
        "pollables-never-dropped",
        "a million timers are held for a bot, none of them charged, and the trap at the million names nothing",
    ),
    ("flood-of-gets", "document.get is no host call"),
    ("flood-of-bytes", "document.bytes is no host call"),
    ("parse-wide", "a document is charged by its text, and not by the many times larger values made of it"),
    ("parse-slow", "one host call is not interrupted, and holds a worker for as long as it takes"),
    ("patch-that-doubles", "what a patch makes is not bounded before it is made"),
    ("limit-without-end-cpu-ms", "the host has no maximum of its own"),
    ("limit-without-end-wall-ms", "the host has no maximum of its own"),
    ("limit-without-end-host-calls", "the host has no maximum of its own"),
    ("limit-without-end-writes", "the host has no maximum of its own"),
    ("limit-without-end-output-kib", "the host has no maximum of its own"),
    ("limit-without-end-log-kib", "the host has no maximum of its own, and a log is not charged as memory"),
    ("batch-of-5000000", "what the arguments of one host call are lifted to is not charged, and lifting is not interrupted"),
    ("log-of-newlines", "a line costs the log its text alone: empty lines are kept in any number that the bytes allow"),
    ("log-not-utf8", "each byte that is no UTF-8 costs one and is kept as three"),
    ("fhirpath-for-ever", "an evaluation goes on after its run, on a thread that nobody stops"),
    ("fhirpath-of-gigabytes", "what an evaluation allocates is not bounded, and goes on after its run until the host dies"),
    ("manifest-fhirpath-of-gigabytes", "a filter of a manifest is tried without a limit on time or memory"),
    // What takes from all.
    ("pool-of-core-instances", "the pool has 8 core instances for each run, and a component may have 48"),
    ("pool-of-memories", "the pool has 2 memories for each run, and a component may have 4"),
    ("pool-of-tables", "the pool has 8 tables for each run, and a component may have 48"),
    // The compiler works in the host, without a limit on time or memory.
    ("bomb-of-functions", "compiling takes longer than is patient"),
    ("bomb-of-blocks", "compiling takes longer than is patient"),
    ("bomb-of-ifs", "compiling takes all memory"),
    ("bomb-of-targets", "compiling takes all memory"),
    ("bomb-of-locals", "compiling takes longer than is patient"),
    ("bomb-of-components", "compiling takes all memory"),
    ("garbage", "the proposal is on, and a release is made that cannot run"),
    ("exceptions", "the proposal is on, and a release is made that cannot run"),
    // What a bot learns that its scopes do not give.
    ("elements-hide-what-decides", "the part of a resource that came is judged as if it were the whole"),
    ("total-of-what-is-hidden", "the server's total is passed on"),
    ("chain", "a chain asks of a type that no scope gives"),
    ("chain-with-type", "a chain asks of a type that no scope gives"),
    ("chain-of-chains", "a chain asks of a type that no scope gives"),
    ("has", "_has asks of a type that no scope gives"),
    ("has-encoded", "_has asks of a type that no scope gives"),
    ("sort-by-chain", "the order tells of a type that no scope gives"),
    ("filter-language", "_filter asks of a type that no scope gives"),
    ("batch-of-chains", "a chain asks of a type that no scope gives"),
    ("if-none-exist-with-chain", "a chain asks of a type that no scope gives"),
    ("if-none-exist-with-has", "_has asks of a type that no scope gives"),
    ("patch-asks-what-may-not-be-read", "a test of a patch says what a resource holds to who may not read it"),
    ("conditional-reference-in-create", "the server searches a type that no scope gives, and writes down whom it found"),
    ("conditional-reference-in-update", "the server searches a type that no scope gives, and writes down whom it found"),
    ("conditional-reference-in-patch", "the server searches a type that no scope gives, and writes down whom it found"),
    ("conditional-reference-in-contained", "the server searches a type that no scope gives, and writes down whom it found"),
    // What goes out.
    (
        "url-traversal-encoded",
        "a path with encoded separators is within the rule's path, and outside of it for a receiver that decodes first",
    ),
    ("tenant-names-the-hosts-files", "a manifest names any file and variable of the host as its secret"),
];

/// Why a case is open, where it is.
pub(crate) fn why(name: &str) -> Option<&'static str> {
    OPEN.iter().find(|(case, _)| *case == name).map(|(_, why)| *why)
}

#[test]
fn every_case_has_one_name_and_every_component_its_case() {
    let names: Vec<String> = crate::groups().into_iter().flat_map(|(_, cases)| cases).map(|case| case.name).collect();
    let mut sorted = names.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), names.len(), "two cases have one name");
    assert!(names.len() >= 60);
    for (open, _) in OPEN {
        assert!(names.iter().any(|name| name == open), "{open} is open and no case");
    }
    for entry in std::fs::read_dir(crate::core::folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(names.contains(&name), "{name}.wat is in no case");
        assert!(std::fs::read_to_string(&path).unwrap().starts_with(";; "), "{name}.wat does not say what it tries");
    }
}
