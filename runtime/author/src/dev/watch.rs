//! Which files of a project changed.

use std::path::{Path, PathBuf};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::input::Input;
use crate::AuthorError;
use crate::error::Fault;

/// Folders that tools write to, or that nobody edits.
const IGNORED: [&str; 11] =
    ["target", "node_modules", "dist", "build", "vendor", ".git", ".venv", "__pycache__", ".pytest_cache", ".vscode", ".idea"];

/// Watches until it is dropped.
pub(super) struct Watch(#[allow(dead_code, reason = "it works until it is dropped")] RecommendedWatcher);

impl Watch {
    /// Watches a project's folder, and each folder in it but those that are ignored.
    pub(super) fn start(dir: &Path, inputs: mpsc::Sender<Input>) -> Result<Self, AuthorError> {
        let failed = |error: notify::Error| {
            let help = "raise the limits on watched files (fs.inotify.max_user_watches)";
            AuthorError::new(Fault::Failed, "watch", error, help).at(dir.display())
        };
        let root = dir.canonicalize().map_err(|error| AuthorError::unreadable(dir, &error))?;
        let base = root.clone();
        let told = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            if matches!(event.kind, EventKind::Access(_) | EventKind::Other) {
                return;
            }
            let paths: Vec<PathBuf> = event.paths.into_iter().filter(|path| matters(&base, path)).collect();
            if !paths.is_empty() {
                // Where it is full, a rebuild is waiting already.
                let _ = inputs.try_send(Input::Files(paths));
            }
        };
        let mut watcher = notify::recommended_watcher(told).map_err(failed)?;
        watcher.watch(&root, RecursiveMode::NonRecursive).map_err(failed)?;
        let entries = std::fs::read_dir(&root).map_err(|error| AuthorError::unreadable(&root, &error))?;
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir() && matters(&root, path)) {
            watcher.watch(&path, RecursiveMode::Recursive).map_err(failed)?;
        }
        Ok(Self(watcher))
    }
}

/// Whether a change of this file can mean anything.
fn matters(root: &Path, path: &Path) -> bool {
    let Ok(inside) = path.strip_prefix(root) else { return false };
    let ignored = inside.components().any(|part| IGNORED.iter().any(|name| part.as_os_str() == *name));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // What editors and tools leave behind for a moment.
    let passing = name.starts_with(['.', '#']) || name.ends_with(['~', '#']) || name == "4913";
    let made =
        ["wasm", "part", "swp", "swx", "tmp", "lock", "pyc"].iter().any(|end| path.extension().is_some_and(|it| it == *end));
    !ignored && !passing && !made && !inside.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_matter_and_what_tools_make_does_not() {
        let root = Path::new("/p");
        for (path, expected) in [
            ("/p/src/lib.rs", true),
            ("/p/bot.toml", true),
            ("/p/dev/events/a.json", true),
            ("/p/cases/01.json", true),
            ("/p/target/x/src/lib.rs", false),
            ("/p/node_modules/a/b.js", false),
            ("/p/src/.lib.rs.swp", false),
            ("/p/src/lib.rs~", false),
            ("/p/dist/a.wasm", false),
            ("/p/Cargo.lock", false),
            ("/p", false),
            ("/q/src/lib.rs", false),
        ] {
            assert_eq!(matters(root, Path::new(path)), expected, "{path}");
        }
    }
}
