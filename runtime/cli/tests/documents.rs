//! The documents that scripts rely on say what the code does.

#![allow(clippy::unwrap_used, reason = "a test may; clippy does not see that its helpers are of a test")]

use std::collections::BTreeSet;
use std::path::Path;

const EXIT_CODES: &str = include_str!("../../../docs/exit-codes.md");
const ERRORS: &str = include_str!("../../../docs/errors.md");

#[test]
fn the_page_of_exit_codes_is_the_table_in_the_code() {
    let documented: Vec<&str> = EXIT_CODES.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| code")).collect();
    let known: Vec<String> =
        hob_cli::exit_code::ALL.iter().map(|(code, name, meaning)| format!("| {code} | {name} | {meaning} |")).collect();
    assert_eq!(documented, known);
    assert!(hob_cli::exit_code::ALL.is_sorted_by_key(|(code, ..)| *code));
}

/// Rooms whose every error code is in the page, and what stands before a code in their source.
const ROOMS: [(&str, &[&str]); 5] = [
    ("../author/src", &["AuthorError::new(", "Self::new(", "error.kind) = ("]),
    ("src", &["CliError::new(", "refused(", "refuse("]),
    ("../ingress/src", &["Self::"]),
    (
        "../host/src",
        &[
            "Unresolved::dead(",
            "ApiError::bad(",
            "ApiError::new(",
            "Self::missing(",
            "ApiError::missing(",
            "failure(FailureKind::",
            "code: ",
            "DeployError::",
            "Self::Malformed(_) =>",
            "Self::Secret { .. } =>",
            "Self::Address { .. } =>",
        ],
    ),
    (
        "../engine/src",
        &[
            "Self::Cpu =>",
            "Self::Wall =>",
            "Self::Memory =>",
            "Self::HostCalls =>",
            "Self::Writes =>",
            "Self::Output =>",
            "Self::TooMuch { .. } =>",
            "Self::Compiler(_) =>",
            "CompileLimit::Cpu, .. } =>",
            "CompileLimit::Wall, .. } =>",
            "CompileLimit::Memory, .. } =>",
            "CompileLimit::Output, .. } =>",
            "Self::Requests =>",
            "Self::RequestBytes =>",
            "Trap::StackOverflow) =>",
            "None if full =>",
        ],
    ),
];

#[test]
fn the_page_of_errors_has_every_code() {
    let mut missing = BTreeSet::new();
    let mut seen = 0;
    for (folder, markers) in ROOMS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for source in sources(&folder) {
            for code in codes(&source, markers) {
                seen += 1;
                if !ERRORS.contains(&format!("`{code}`")) {
                    missing.insert(code);
                }
            }
        }
    }
    assert!(seen > 30, "the codes are no longer found in the source: {seen}");
    assert!(missing.is_empty(), "docs/errors.md does not list {missing:?}");
}

fn sources(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.extension() {
            _ if path.is_dir() => sources(&path),
            Some(rust) if rust == "rs" => {
                let text = std::fs::read_to_string(&path).unwrap();
                vec![text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()]
            }
            _ => Vec::new(),
        })
        .collect()
}

/// The first literal after a marker, within its statement or match arm, where it has the form of a code with a dash: single words
/// cannot be told from other text.
fn codes(source: &str, markers: &[&str]) -> Vec<String> {
    let after = |marker: &&str| source.split(*marker).skip(1).map(str::to_owned).collect::<Vec<_>>();
    let literal = |rest: String| {
        let (before, rest) = rest.split_once('"')?;
        let near = before.len() < 60 && !before.contains(';');
        let code = rest.split('"').next()?;
        let formed = code.contains('-') && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        let arm = markers != ["Self::"] || before.trim_end().ends_with("=>");
        // Of the words of formats and kinds, which have the same form, none begins so.
        let is_code =
            markers != ["Self::"] || ["notification-", "auth-", "explain-"].iter().any(|family| code.starts_with(family));
        (near && formed && arm && is_code).then(|| code.to_owned())
    };
    markers.iter().flat_map(after).filter_map(literal).collect()
}

/// Text files of a folder and below it, by their path from the repository's root.
fn pages(folder: &Path, root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(pages(&path, root));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path.strip_prefix(root).unwrap().display().to_string());
        }
    }
    found
}

/// The targets of a page's links to other files.
fn links(text: &str) -> Vec<String> {
    let mut code = false;
    let prose = text.lines().filter(|line| {
        code ^= line.trim_start().starts_with("```");
        !code
    });
    let targets = prose.flat_map(|line| line.split("](").skip(1)).filter_map(|rest| rest.split(')').next());
    let targets = targets.map(|target| target.split('#').next().unwrap_or_default().to_owned());
    targets.filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:")).collect()
}

#[test]
fn the_book_has_every_page_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let docs = root.join("docs");
    let mut listed = links(&std::fs::read_to_string(docs.join("SUMMARY.md")).unwrap());
    let mut there = pages(&docs, &docs);
    there.retain(|page| page != "SUMMARY.md");
    listed.sort();
    there.sort();
    assert_eq!(listed, there);
}

#[test]
fn links_between_files_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let mut all = pages(&root.join("docs"), &root);
    all.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(str::to_owned));
    let mut dead = Vec::new();
    let mut looked_at = 0;
    for page in all {
        let text = std::fs::read_to_string(root.join(&page)).unwrap();
        for link in links(&text) {
            looked_at += 1;
            if !root.join(&page).with_file_name("").join(&link).exists() {
                dead.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(looked_at > 50 && dead.is_empty(), "of {looked_at} links these lead nowhere: {dead:#?}");
}
