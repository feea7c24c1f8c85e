//! Filling a server before it is used.

use std::fs;
use std::path::{Path, PathBuf};

use hob_model::Timestamp;
use serde_json::Value;

use crate::refusal::Refusal;
use crate::write::Judge;
use crate::{Server, Settings, bundle};

/// Why something cannot be put into a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("resource {index}: {why}")]
pub struct SeedError {
    /// Which, counted from 0, in what was given.
    pub index: usize,
    /// What is wrong with it.
    pub why: String,
}

/// Why a file of seeds cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct SeedFileError {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// What a file holds (`.json`: a resource or a Bundle; `.ndjson`: a resource a line), or all such files of a folder and the folders in it, by name;
/// each with its file, for [`Server::seed`].
///
/// # Errors
/// [`SeedFileError`] for the first file that cannot be read.
pub fn seeds_in(path: &Path) -> Result<Vec<(PathBuf, Value)>, SeedFileError> {
    let failed = |path: &Path, why: String| SeedFileError { path: path.to_owned(), why };
    if path.is_dir() {
        let listed = fs::read_dir(path).map_err(|e| failed(path, e.to_string()))?;
        let mut found: Vec<PathBuf> = listed.filter_map(|entry| Some(entry.ok()?.path())).collect();
        found.retain(|path| path.is_dir() || path.extension().is_some_and(|end| end == "json" || end == "ndjson"));
        found.sort();
        let parts: Result<Vec<_>, _> = found.iter().map(|path| seeds_in(path)).collect();
        return Ok(parts?.into_iter().flatten().collect());
    }
    let text = fs::read_to_string(path).map_err(|e| failed(path, e.to_string()))?;
    let resources: Vec<serde_json::Result<Value>> = if path.extension().is_some_and(|end| end == "ndjson") {
        text.lines().filter(|line| !line.trim().is_empty()).map(serde_json::from_str).collect()
    } else {
        vec![serde_json::from_str(&text)]
    };
    resources.into_iter().map(|resource| Ok((path.to_owned(), resource.map_err(|e| failed(path, e.to_string()))?))).collect()
}

impl Server {
    /// Puts in a resource, or each resource of a Bundle, under its own id where it has one and whatever the settings say of client ids; gives how
    /// many there were. A transaction or batch is done as if it had been sent.
    ///
    /// # Errors
    /// [`SeedError`] for the first that a client could not have written; those before it are in.
    pub fn seed(&mut self, now: Timestamp, resource: Value) -> Result<usize, SeedError> {
        let failed = |index, refusal: Refusal| SeedError { index, why: refusal.text().to_owned() };
        let kind = resource.get("type").and_then(Value::as_str);
        if resource.get("resourceType").is_none_or(|name| name != "Bundle") {
            return self.put(now, resource).map(|()| 1).map_err(|e| failed(0, e));
        }
        if matches!(kind, Some("transaction" | "batch")) {
            let entries = resource.get("entry").and_then(Value::as_array).map_or(0, Vec::len);
            return bundle::process(self, now, resource.to_string().as_bytes()).map(|_| entries).map_err(|e| failed(0, e));
        }
        let Some(Value::Array(entries)) = resource.get("entry").cloned() else { return Ok(0) };
        let number = entries.len();
        for (index, mut entry) in entries.into_iter().enumerate() {
            let resource = entry.get_mut("resource").map(Value::take).unwrap_or_default();
            self.put(now, resource).map_err(|e| failed(index, e))?;
        }
        Ok(number)
    }

    fn put(&mut self, now: Timestamp, resource: Value) -> Result<(), Refusal> {
        let text = |name: &str| resource.get(name).and_then(Value::as_str).map(str::to_owned);
        let resource_type = text("resourceType").ok_or_else(|| Refusal::malformed("it has no resourceType"))?;
        crate::ask::known(&resource_type)?;
        let step = match text("id") {
            Some(id) => {
                let settings = Settings { client_ids: true, ..self.settings.clone() };
                Judge { store: &self.store, settings: &settings }.update(&resource_type, &id, resource, None)?
            }
            None => {
                let (id, next_id) = self.new_id(&resource_type, self.store.next_id);
                let step = self.judge().create(&resource_type, &id, resource)?;
                self.store.next_id = next_id;
                step
            }
        };
        self.commit(now, vec![step]);
        Ok(())
    }
}
