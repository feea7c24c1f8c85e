//! The tests that are written in Python: of the SDK, and of the example as its author would run them.

use std::path::Path;

fn pytest(folder: &Path) {
    let mut command = hob_python::python().unwrap_or_else(|error| panic!("{error}"));
    let done = command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains(" passed"), "{said}{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn the_sdks() {
    pytest(&hob_python::root().join("sdk/python"));
}

#[test]
fn the_examples() {
    pytest(&crate::stage::example());
}
