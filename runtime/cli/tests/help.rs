//! `--help` of every command.

mod support;

/// Every command; a new one is found missing by `every_command_is_listed`.
const COMMANDS: &[&[&str]] = &[
    &[],
    &["serve"],
    &["init"],
    &["run"],
    &["import"],
    &["new"],
    &["build"],
    &["check"],
    &["test"],
    &["dev"],
    &["explain"],
    &["status"],
    &["source"],
    &["source", "add"],
    &["source", "list"],
    &["source", "check"],
    &["source", "remove"],
    &["deploy"],
    &["bots"],
    &["bots", "remove"],
    &["runs"],
    &["show"],
    &["replay"],
    &["observe"],
    &["observe", "show"],
    &["observe", "promote"],
    &["observe", "drop"],
    &["retry"],
    &["dead"],
    &["dead", "drop"],
    &["logs"],
    &["invoke"],
    &["backfill"],
    &["keys"],
    &["keys", "list"],
    &["keys", "rotate"],
    &["backup"],
    &["restore"],
    &["doctor"],
];

fn help(command: &[&str]) -> String {
    let args: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
    support::hob(&args, &[], "")
}

#[test]
fn help_of_every_command() {
    for command in COMMANDS {
        let name = if command.is_empty() { "hob".to_owned() } else { format!("hob_{}", command.join("_")) };
        insta::assert_snapshot!(name, help(command));
    }
}

#[test]
fn every_command_is_listed_and_has_examples() {
    let mut left: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(command) = left.pop() {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        assert!(COMMANDS.contains(&words.as_slice()), "{command:?} is not in the list");
        let text = help(&words);
        let verbs =
            text.split("Commands:\n").nth(1).map(|list| list.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>());
        assert!(text.contains("Examples:") || verbs.is_some(), "{command:?} has no examples");
        // What is indented further goes on from the line before.
        let named = verbs.unwrap_or_default().into_iter().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        for verb in named.filter(|verb| !verb.is_empty() && *verb != "help") {
            left.push(command.iter().cloned().chain([verb.to_owned()]).collect());
        }
    }
}

#[test]
fn without_a_command_or_with_a_wrong_one_the_exit_code_is_that_of_usage() {
    for args in [
        &[][..],
        &["fly"],
        &["runs", "--state", "tired"],
        &["show", "12"],
        &["source", "add", "hapi"],
        &["logs", "--tail", "1", "--after", "2"],
    ] {
        let seen = support::hob(args, &[], "");
        assert!(seen.lines().nth(1) == Some("exit 2") && !seen.contains("--- stdout"), "{seen}");
    }
}
