//! Every case has a name of its own, and every component a case.

#[test]
fn every_case_has_one_name_and_every_component_its_case() {
    let names: Vec<String> = crate::groups().into_iter().flat_map(|(_, cases)| cases).map(|case| case.name).collect();
    let mut sorted = names.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), names.len(), "two cases have one name");
    assert!(names.len() >= 60);
    for entry in std::fs::read_dir(crate::core::folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(names.contains(&name), "{name}.wat is in no case");
        assert!(std::fs::read_to_string(&path).unwrap().starts_with(";; "), "{name}.wat does not say what it tries");
    }
}
