//! Every file in `cases/`.

#[test]
fn every_case() {
    match case_runner::run(env!("CARGO_MANIFEST_DIR"), task_router::handle) {
        Ok(cases) => assert!(cases > 0),
        Err(wrong) => panic!("{wrong}"),
    }
}
