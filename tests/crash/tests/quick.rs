//! A dozen kills, in the ordinary tests: `cargo xtask crash` does more of the same.

use std::process::Command;

#[test]
fn a_dozen_kills_lose_nothing_double_nothing_and_keep_the_order() {
    let output = Command::new(env!("CARGO_BIN_EXE_hob-crash"))
        .args(["--kills", "12", "--changes", "200", "--seed", "1", "--json"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let figures: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(figures["kills"], 12, "{figures}");
    assert!(figures["changes"].as_u64().unwrap() >= 200, "{figures}");
}
