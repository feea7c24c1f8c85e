//! Cases as files of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Case;

/// A case and where it came from.
#[derive(Debug, Clone)]
pub struct CaseFile {
    /// The file.
    pub path: PathBuf,
    /// The case, with what its names of files stand for.
    pub case: Case,
    /// As it stands in the file, to be written again.
    document: Value,
}

/// A file of cases that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub struct CaseError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it; with line and column where it is the JSON.
    pub why: String,
}

fn wrong(file: &Path, why: impl ToString) -> CaseError {
    CaseError { file: file.to_owned(), why: hob_model::with_guess(&why.to_string()) }
}

/// The files of a folder that are cases, in the order of their names. Folders in it are for what cases share.
///
/// # Errors
/// A folder that cannot be read. One that is not there has no cases.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, CaseError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(wrong(folder, error)),
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.is_file() && file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

/// The JSON Schema of a case, for editors.
#[must_use]
pub fn schema() -> Value {
    schemars::schema_for!(Case).to_value()
}

impl CaseFile {
    /// Reads a case and the files that it names.
    ///
    /// # Errors
    /// What is no case; the place is named.
    pub fn read(path: &Path) -> Result<Self, CaseError> {
        let text = fs::read_to_string(path).map_err(|why| wrong(path, why))?;
        let document = serde_json::from_str(&text).map_err(|why| wrong(path, why))?;
        let mut case: Case = serde_json::from_str(&text).map_err(|why| wrong(path, placed(&why.to_string(), &text)))?;
        for given in std::mem::take(&mut case.given) {
            match beside(path, given, |_| true)? {
                Value::Array(several) => case.given.extend(several),
                one => case.given.push(one),
            }
        }
        if let Some(odd) = case.given.iter().find(|one| !one["resourceType"].is_string()) {
            let start: String = odd.to_string().chars().take(40).collect();
            return Err(wrong(path, format!("given: not a resource, for it has no resourceType: {start}…")));
        }
        for value in case.settings.values_mut() {
            *value = beside(path, value.take(), |name| name.starts_with("./") || name.starts_with("../"))?;
        }
        Ok(Self { path: path.to_owned(), case, document })
    }

    /// Its file's name without the extension.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Writes the file anew with another `expect`.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, expect: Value) -> Result<(), CaseError> {
        let mut document = self.document.clone();
        document["expect"] = expect;
        fs::write(&self.path, format!("{document:#}\n")).map_err(|why| wrong(&self.path, why))
    }
}

/// What is wrong with a case, at the unknown key itself where that stands only once: what is read as one of several forms is known to be wrong at its end.
fn placed(why: &str, text: &str) -> String {
    let key = why.split_once("unknown field `").and_then(|(_, rest)| rest.split_once('`')).map(|(key, _)| format!("\"{key}\""));
    let lines = |key: &String| {
        text.lines().enumerate().filter(|(_, line)| line.contains(key.as_str())).map(|(at, _)| at + 1).collect::<Vec<_>>()
    };
    match (key.as_ref().map(lines).as_deref(), why.rsplit_once(" at line ")) {
        (Some([line]), Some((words, _))) => format!("{words} at line {line}"),
        _ => why.to_owned(),
    }
}

/// A value, or what stands in the file that it names.
fn beside(case: &Path, value: Value, is_name: impl Fn(&str) -> bool) -> Result<Value, CaseError> {
    let Some(name) = value.as_str().filter(|name| is_name(name)) else { return Ok(value) };
    let file = case.with_file_name(name);
    let text = fs::read_to_string(&file).map_err(|why| wrong(case, format!("it names the file {name}: {why}")))?;
    serde_json::from_str(&text).map_err(|why| wrong(&file, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<CaseFile, String> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("given")).unwrap();
        fs::write(
            dir.path().join("given/two.json"),
            r#"[{"resourceType": "Task", "id": "a"}, {"resourceType": "Task", "id": "b"}]"#,
        )
        .unwrap();
        fs::write(dir.path().join("rules.json"), r#"{"first": 1}"#).unwrap();
        let file = dir.path().join("01-x.json");
        fs::write(&file, text).unwrap();
        assert_eq!(list(dir.path()).unwrap().len(), 2, "folders are no cases");
        CaseFile::read(&file).map_err(|error| error.why)
    }

    #[test]
    fn reads_a_case_with_the_files_that_it_names() {
        let file = read(
            r#"{"title": "x", "given": ["given/two.json", {"resourceType": "Flag", "id": "c"}], "event": {"change": "create", "resource": "Task/a"},
                "settings": {"rules": "./rules.json", "name": "plain"}, "now": "2026-11-23T14:12:05Z"}"#,
        )
        .unwrap();
        assert_eq!(file.case.given.len(), 3);
        assert_eq!(file.case.settings["rules"]["first"], 1);
        assert_eq!(file.case.settings["name"], "plain");
        assert_eq!(file.name(), "01-x");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let case = |event: &str, more: &str| {
            format!("{{\n\"title\": \"x\",\n\"event\": {event},\n\"now\": \"2026-11-23T14:12:05Z\"{more}\n}}")
        };
        let change = r#"{"change": "create", "resource": "Task/a"}"#;
        for (text, why) in [
            ("{".to_owned(), "line 1 column 1"),
            (case(change, ",\n\"expects\": {}"), "unknown field `expects`"),
            (case("{}", ""), "has one of the keys `change`"),
            (case(r#"{"change": "made", "resource": "Task/a"}"#, ""), "event of kind `change`: unknown variant `made`"),
            (case(r#"{"change": "create", "resorce": "Task/a"}"#, ""), "did you mean `resource`?"),
            (
                case("{\n\"change\": \"create\",\n\"resorce\": \"Task/a\"}", ""),
                "unknown field `resorce`, expected one of `change`, `resource`, `version` at line 5",
            ),
            (case(r#"{"change": "create", "timer": "a"}"#, ""), "this one has change and timer"),
            (case(change, ", \"given\": [{\"id\": \"a\"}]"), "it has no resourceType: {\"id\":\"a\"}"),
            (case(change, ", \"given\": [\"none.json\"]"), "it names the file none.json"),
            (case(change, "").replace("2026-11-23", "yesterday"), "not an RFC 3339 instant"),
            (case(change, ", \"property\": {\"vary\": [\"order\"]}"), "unknown variant `order`"),
        ] {
            let said = read(&text).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn the_schema_takes_what_the_reader_takes_and_refuses_what_it_refuses() {
        let schema = jsonschema::validator_for(&schema()).unwrap();
        let event = |event: Value| serde_json::json!({ "title": "x", "event": event, "now": "2026-11-23T14:12:05Z" });
        let change = serde_json::json!({ "change": "create", "resource": "Task/a" });
        for good in [
            change.clone(),
            serde_json::json!({ "timer": "a", "due": "2026-11-23T14:12:05Z" }),
            serde_json::json!({ "cron": "0 0 9 * * *" }),
            serde_json::json!({ "invoke": { "a": 1 } }),
            serde_json::json!({ "reply": "a", "status": 200 }),
        ] {
            let good = event(good);
            assert!(schema.is_valid(&good) && serde_json::from_value::<Case>(good.clone()).is_ok(), "{good}");
        }
        let mut unknown = event(change.clone());
        unknown["expects"] = serde_json::json!({});
        for bad in
            [unknown, event(serde_json::json!({ "change": "made", "resource": "Task/a" })), event(serde_json::json!({})), change]
        {
            assert!(!schema.is_valid(&bad) && serde_json::from_value::<Case>(bad.clone()).is_err(), "{bad}");
        }
    }
}
