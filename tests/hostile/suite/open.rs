//! What does not hold yet.

/// Cases whose refusal is missing in the engine, each with what comes instead. The case says what there should be; one that is refused as it
/// should be must be taken out.
const OPEN: &[(&str, &str)] = &[];

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
