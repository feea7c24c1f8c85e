//! `docs/author.md` shows what its commands print.

use std::fmt::Write as _;

use crate::place::{Place, parts};
use crate::session::Session;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/author.md");

/// Runs every command of the document, in order, and holds what it prints to what is shown.
#[test]
fn what_the_document_shows_is_what_is_printed() {
    let text = std::fs::read_to_string(FILE).unwrap();
    let place = Place::building_in("document");
    let mut folder = ".".to_owned();
    let mut session = None;
    let mut made = String::new();
    let mut blocks = 0;
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("```") {
        let (block, after) = after.split_once("\n```").unwrap();
        let (kind, body) = block.split_once('\n').unwrap();
        let body = match kind {
            "console" => console(&place, body, &mut folder),
            "console dev" => {
                let command = commands(body).pop().unwrap();
                let args: Vec<&str> = command.split_whitespace().skip(2).collect();
                let started = Session::start(&place, &folder, &args);
                let seen = started.until("cases pass");
                session = Some(started);
                format!("$ {command}\n{}", seen.join("\n"))
            }
            "text dev" => session.as_ref().unwrap().until(" of CPU, ").join("\n").trim().to_owned(),
            "text dev cases" => session.as_ref().unwrap().until("cases pass").join("\n").trim().to_owned(),
            _ => body.to_owned(),
        };
        blocks += usize::from(kind != "json");
        let _ = write!(made, "{before}```{kind}\n{}\n```", body.trim_end());
        rest = after;
    }
    made.push_str(rest);
    assert!(blocks > 8, "the document's blocks are no longer found: {blocks}");
    let root = place.path().display().to_string();
    // Bots of these tests are built elsewhere than their authors would build them.
    let built = place.target().display().to_string();
    let made = made.replace(&built, "target").replace(&format!("{root}/"), "").replace(&root, ".");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(FILE, &made).unwrap();
    }
    let (shown, printed) = (steady(&std::fs::read_to_string(FILE).unwrap()), steady(&made));
    for (at, (shown, printed)) in shown.iter().zip(&printed).enumerate() {
        assert_eq!(shown, printed, "docs/author.md, at its line {}: UPDATE_DOCS=1 writes what is printed", at + 1);
    }
    assert_eq!(shown.len(), printed.len());
}

fn commands(body: &str) -> Vec<&str> {
    body.lines().filter_map(|line| line.strip_prefix("$ ")).collect()
}

fn console(place: &Place, body: &str, folder: &mut String) -> String {
    let mut printed = String::new();
    for command in commands(body) {
        let _ = writeln!(printed, "$ {command}");
        if let Some(to) = command.strip_prefix("cd ") {
            *folder = format!("{folder}/{to}");
            continue;
        }
        let output = place.command("sh", folder).args(["-c", command]).output().unwrap();
        let (_, stdout, stderr) = parts(&output);
        // Cargo's own progress is of no interest, and differs.
        let progress = ["   Compiling", "    Finished", "     Locking", "      Adding", "    Blocking", "  still "];
        let said = stderr.lines().filter(|line| !progress.iter().any(|start| line.starts_with(start)));
        let lines: Vec<&str> = stdout.lines().chain(said).collect();
        if !lines.is_empty() {
            let _ = writeln!(printed, "{}", lines.join("\n"));
        }
    }
    printed
}

/// The lines without what differs each time: numbers with what measures them, ids that the host gave, and how wide these make a column.
fn steady(text: &str) -> Vec<String> {
    const UNITS: [&str; 7] = ["us", "ms", "s", "min", "B", "KiB", "MiB"];
    let word = |word: &str| {
        let bare = word.trim_matches(|c: char| "(),;\"".contains(c));
        let id = bare.rsplit('/').next().unwrap_or_default();
        let given = id.len() == 26 && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let number = bare.starts_with(|c: char| c.is_ascii_digit());
        if number || given || UNITS.contains(&bare) { "#".to_owned() } else { word.to_owned() }
    };
    text.lines().map(|line| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")).collect()
}
