//! What is on the server when a session begins.

use std::path::{Path, PathBuf};

use hob_cases::CaseFile;
use serde_json::{Map, Value};

use crate::error::Fault;
use crate::{AuthorError, Project, test};

/// The folder of a project that has them.
pub(super) fn folder(project: &Project) -> PathBuf {
    project.dir.join("dev/seeds")
}

/// Those of a file or folder that was named, else of the project's folder, else what its first case is given.
pub(super) fn read(project: &Project, named: Option<&Path>) -> Result<Vec<Value>, AuthorError> {
    let own = folder(project);
    let place = named.map(Path::to_owned).or_else(|| own.is_dir().then_some(own));
    let Some(place) = place else {
        let first = test::files(&project.cases())?.into_iter().next();
        return Ok(first.and_then(|file| CaseFile::read(&file).ok()).map(|file| file.case.given).unwrap_or_default());
    };
    let mut seeds = Vec::new();
    for file in files(&place)? {
        match json(&file)? {
            Value::Array(several) => seeds.extend(several),
            one => seeds.push(one),
        }
    }
    Ok(seeds)
}

/// What a deployment would set: `dev/settings.json`.
pub(super) fn settings(project: &Project) -> Result<Map<String, Value>, AuthorError> {
    let file = project.dir.join("dev/settings.json");
    if !file.is_file() {
        return Ok(Map::new());
    }
    match json(&file)? {
        Value::Object(settings) => Ok(settings),
        _ => Err(AuthorError::new(Fault::Data, "seeds", "it is no JSON object", "give {\"name\": value}").at(file.display())),
    }
}

/// A file of JSON.
pub(super) fn json(file: &Path) -> Result<Value, AuthorError> {
    let text = std::fs::read_to_string(file).map_err(|error| AuthorError::unreadable(file, &error))?;
    serde_json::from_str(&text).map_err(|why| {
        AuthorError::new(Fault::Data, "seeds", format!("it is no JSON: {why}"), "mend it at that place").at(file.display())
    })
}

fn files(place: &Path) -> Result<Vec<PathBuf>, AuthorError> {
    if place.is_file() {
        return Ok(vec![place.to_owned()]);
    }
    let entries = std::fs::read_dir(place).map_err(|error| AuthorError::unreadable(place, &error))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "json"));
    files.sort();
    Ok(files)
}
