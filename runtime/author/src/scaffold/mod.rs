//! `hob new`: a bot's folder that builds.

mod embedded;

use std::path::{Path, PathBuf};

use hob_model::BotName;
use serde_json::Value;

use crate::error::Fault;
use crate::{AuthorError, Language, toolchain};

/// In what style a bot is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Rust.
    Rust,
    /// TypeScript.
    Ts,
    /// TypeScript in Medplum's style, on Medplum's client.
    Medplum,
    /// Python.
    Python,
}

/// A bot's folder to be made.
#[derive(Debug, Clone)]
pub struct New {
    /// The bot's name.
    pub name: String,
    /// In what it is written.
    pub style: Style,
    /// The folder.
    pub dir: PathBuf,
    /// A checkout of Hob, whose SDK is used where it lies.
    pub sdk: Option<PathBuf>,
}

/// A folder that was made.
#[derive(Debug, Clone)]
pub struct Made {
    /// The folder.
    pub dir: PathBuf,
    /// How many files it has, without the SDK's.
    pub files: Vec<String>,
    /// What is not installed yet.
    pub missing: Vec<AuthorError>,
    /// Commands to be given once, in the folder, before it builds.
    pub install: Vec<String>,
}

/// Where the SDK goes in a project. Its parts lie as in a checkout, for they name one another.
const VENDOR: &str = "vendor/hob";

impl Style {
    const fn folder(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Ts => "ts",
            Self::Medplum => "medplum",
            Self::Python => "python",
        }
    }

    const fn language(self) -> Language {
        match self {
            Self::Rust => Language::Rust,
            Self::Ts | Self::Medplum => Language::Node,
            Self::Python => Language::Python,
        }
    }

    /// The part of the SDK that it needs beside the contract.
    const fn sdk(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Ts | Self::Medplum => "js",
            Self::Python => "python",
        }
    }

    const fn install(self) -> &'static [&'static str] {
        match self {
            Self::Rust => &[],
            Self::Ts | Self::Medplum => &["npm install"],
            Self::Python => &["python3 -m venv .venv", ".venv/bin/pip install -e \"{{sdk}}/python[build,test]\""],
        }
    }
}

/// Makes a bot's folder.
///
/// # Errors
/// `bad-name`, `file-exists`, `sdk-missing`, `file-unwritable`.
pub fn create(new: &New) -> Result<Made, AuthorError> {
    let name = BotName::new(new.name.as_str()).map_err(|why| {
        let help = "a bot's name has 1 to 63 of a-z, 0-9 and -, such as stat-flagger";
        AuthorError::new(Fault::Usage, "bad-name", format!("`{}` is no bot's name: {why}", new.name), help)
    })?;
    let is_empty = |dir: &Path| std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    if new.dir.exists() && !is_empty(&new.dir) {
        let help = "name another folder with --dir, or move what is there away";
        return Err(AuthorError::new(Fault::File, "file-exists", "the folder is there already, and is not empty", help)
            .at(new.dir.display()));
    }
    let sdk = sdk_root(new)?;
    let words = Words::of(name.as_str(), new.style, &sdk);
    let mut files = Vec::new();
    for (path, bytes) in templates(new.style) {
        let text = String::from_utf8_lossy(bytes);
        write(&new.dir, &path, words.fill(&text).as_bytes())?;
        files.push(path);
    }
    if new.sdk.is_none() {
        for (path, bytes) in sdk_files(new.style) {
            write(&new.dir, &format!("{VENDOR}/{path}"), bytes)?;
        }
    }
    for (name, schema) in [("bot", hob_model::manifest_schema()), ("case", hob_cases::schema())] {
        write(&new.dir, &format!("{VENDOR}/schema/{name}.json"), pretty(&schema).as_bytes())?;
    }
    let missing = toolchain::check(new.style.language(), &new.dir).err();
    Ok(Made {
        dir: new.dir.clone(),
        files,
        missing: missing.into_iter().collect(),
        install: new.style.install().iter().map(|line| words.fill(line)).collect(),
    })
}

/// Text of JSON as a file has it.
fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Where the SDK is, as the project's files name it.
fn sdk_root(new: &New) -> Result<String, AuthorError> {
    let part = new.style.sdk();
    let Some(checkout) = &new.sdk else {
        if sdk_files(new.style).any(|(path, _)| path.starts_with(part)) {
            return Ok(VENDOR.to_owned());
        }
        let help = "name a checkout of Hob that has it with --sdk PATH";
        return Err(AuthorError::new(Fault::Missing, "sdk-missing", format!("this `hob` was built without sdk/{part}"), help));
    };
    let root = std::path::absolute(checkout).unwrap_or_else(|_| checkout.clone()).join("sdk");
    if !root.join(part).is_dir() {
        let help = "name the top folder of a checkout of Hob";
        return Err(AuthorError::new(Fault::File, "sdk-missing", format!("there is no sdk/{part}"), help).at(checkout.display()));
    }
    Ok(root.display().to_string())
}

/// The files of a style, by their paths in the project: its own go before the common ones.
fn templates(style: Style) -> impl Iterator<Item = (String, &'static [u8])> {
    let of = |folder: &'static str| {
        embedded::TEMPLATES.iter().filter_map(move |(path, bytes)| Some((path.strip_prefix(folder)?.strip_prefix('/')?, *bytes)))
    };
    let common = of("common").filter(move |(path, _)| !of(style.folder()).any(|(own, _)| own == *path));
    of(style.folder()).chain(common).map(|(path, bytes)| (named(path), bytes))
}

/// Names that mean something to other tools are written otherwise among the templates.
fn named(path: &str) -> String {
    let path = path.strip_suffix(".in").unwrap_or(path);
    path.split('/')
        .map(|part| part.strip_prefix("dot-").map_or_else(|| part.to_owned(), |rest| format!(".{rest}")))
        .collect::<Vec<_>>()
        .join("/")
}

fn sdk_files(style: Style) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let wanted = move |path: &str| ["wit", style.sdk()].iter().any(|part| path.starts_with(&format!("{part}/")));
    embedded::SDK.iter().filter(move |(path, _)| wanted(path)).map(|(path, bytes)| (*path, *bytes))
}

fn write(dir: &Path, path: &str, bytes: &[u8]) -> Result<(), AuthorError> {
    let file = dir.join(path);
    let folder = file.parent().unwrap_or(dir);
    std::fs::create_dir_all(folder).map_err(|error| AuthorError::unwritable(folder, &error))?;
    std::fs::write(&file, bytes).map_err(|error| AuthorError::unwritable(&file, &error))
}

/// What stands for the words in double braces.
struct Words(Vec<(&'static str, String)>);

impl Words {
    fn of(name: &str, style: Style, sdk: &str) -> Self {
        let install: String = style.install().iter().map(|line| format!("$ {line}\n")).collect();
        let (component, language, source, needs, ignored, memory) = match style {
            Style::Rust => (
                format!("{}.wasm", name.replace('-', "_")),
                "Rust",
                "src/lib.rs",
                "Rust (https://rustup.rs) with `rustup target add wasm32-wasip2`",
                "/target",
                32,
            ),
            Style::Ts | Style::Medplum => (
                format!("dist/{name}.wasm"),
                if style == Style::Ts { "TypeScript" } else { "TypeScript, in Medplum's style" },
                "src/bot.ts",
                "Node.js 20 or later",
                "/dist\nnode_modules",
                64,
            ),
            Style::Python => (
                format!("build/{name}.wasm"),
                "Python",
                "bot.py",
                "Python 3.11 or later",
                "/build\n/.venv\n__pycache__\n.pytest_cache",
                128,
            ),
        };
        let (unit, tests) = match style {
            Style::Rust => ("cargo test", "mod tests` in `src/lib.rs"),
            Style::Ts | Style::Medplum => ("npm test", "test"),
            Style::Python => (".venv/bin/pytest", "tests"),
        };
        // The name and the SDK's place last, for what is filled in may hold them.
        Self(vec![
            // Medplum's client reads what a conditional create finds.
            ("{{letters}}", if style == Style::Medplum { "crs" } else { "cs" }.to_owned()),
            ("{{component}}", component),
            ("{{language}}", language.to_owned()),
            ("{{source}}", source.to_owned()),
            ("{{needs}}", needs.to_owned()),
            ("{{ignored}}", ignored.to_owned()),
            ("{{memory}}", memory.to_string()),
            ("{{install}}", install),
            ("{{unit}}", format!("{unit:<16}  # its unit tests")),
            ("{{tests}}", tests.to_owned()),
            ("{{name}}", name.to_owned()),
            ("{{sdk}}", sdk.to_owned()),
        ])
    }

    fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(dir: &Path, name: &str) -> New {
        New { name: name.to_owned(), style: Style::Rust, dir: dir.join(name), sdk: None }
    }

    #[test]
    fn every_template_is_whole_and_its_manifest_is_one() {
        for style in [Style::Rust, Style::Ts, Style::Medplum, Style::Python] {
            let words = Words::of("my-bot", style, VENDOR);
            let mut seen = Vec::new();
            for (path, bytes) in templates(style) {
                let text = words.fill(std::str::from_utf8(bytes).unwrap());
                assert!(!text.contains("{{"), "{path}: {text}");
                if path == "bot.toml" {
                    let manifest = hob_model::Manifest::parse(&text, &path).unwrap();
                    assert_eq!(manifest.name.as_str(), "my-bot");
                }
                if path.ends_with(".json") {
                    serde_json::from_str::<Value>(&text).unwrap_or_else(|why| panic!("{path}: {why}"));
                }
                assert!(!seen.contains(&path), "{path} is there twice");
                seen.push(path);
            }
            for needed in [
                "bot.toml",
                ".gitignore",
                "README.md",
                ".vscode/settings.json",
                "cases/01-stat-task.json",
                style.language().file(),
            ] {
                assert!(seen.iter().any(|path| path == needed), "{style:?} has no {needed}");
            }
        }
    }

    #[test]
    fn a_project_has_the_sdk_in_itself_or_names_a_checkout() {
        let dir = tempfile::tempdir().unwrap();
        let made = create(&new(dir.path(), "own")).unwrap();
        let manifest = std::fs::read_to_string(made.dir.join("vendor/hob/rust/Cargo.toml")).unwrap();
        assert!(!manifest.contains("workspace"), "{manifest}");
        assert!(made.dir.join("vendor/hob/wit/bot.wit").is_file() && made.dir.join("vendor/hob/schema/bot.json").is_file());
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let made = create(&New { sdk: Some(checkout), ..new(dir.path(), "other") }).unwrap();
        assert!(!made.dir.join("vendor/hob/rust").exists());
        assert!(std::fs::read_to_string(made.dir.join("Cargo.toml")).unwrap().contains("/sdk/rust"));
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(create(&new(dir.path(), "Bad Name")).unwrap_err().code, "bad-name");
        create(&new(dir.path(), "a")).unwrap();
        assert_eq!(create(&new(dir.path(), "a")).unwrap_err().code, "file-exists");
        assert_eq!(create(&New { sdk: Some(dir.path().to_owned()), ..new(dir.path(), "b") }).unwrap_err().code, "sdk-missing");
    }
}
