//! What does not hold yet.

/// Cases whose refusal is missing in the engine: by what it is known (words, of which one is in what went wrong), and what comes instead. The case
/// says what there should be; one that is refused as it should be must be taken out. Figures of time are those of a debug build.
const OPEN: &[(&str, &[&str], &str)] = &[];

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
