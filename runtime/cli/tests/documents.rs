//! The documents that scripts rely on say what the code does.

mod support;

const EXIT_CODES: &str = include_str!("../../../docs/exit-codes.md");

#[test]
fn the_page_of_exit_codes_is_the_table_in_the_code() {
    let documented: Vec<&str> = EXIT_CODES.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| code")).collect();
    let known: Vec<String> =
        hob_cli::exit_code::ALL.iter().map(|(code, name, meaning)| format!("| {code} | {name} | {meaning} |")).collect();
    assert_eq!(documented, known);
    assert!(hob_cli::exit_code::ALL.is_sorted_by_key(|(code, ..)| *code));
}
