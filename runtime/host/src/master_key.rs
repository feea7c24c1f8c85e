//! The master key of the ledger: found, made at a first start, and replaced in its file.
//!
//! A key that is lost is lost with all that it encrypts. So the host never makes one where a ledger is that needs another, and never writes
//! over one: a new key stands in a file of its own until the ledger is under it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use hob_ledger::sqlite::SqliteLedger;
use hob_ledger::{BadMasterKey, LedgerError, MasterKey, MasterKeyId, MasterKeys};

use crate::config::{Config, KeySource};
use crate::host::LEDGER;

/// The key file that the host makes in the data folder where no other is configured.
const OWN: &str = "master.key";

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The ledger needs a key that is not where it was.
    #[error(
        "the ledger in {data} is under the master key {id}, and {file} is not there: put it back from where you keep it. Without it nobody can \
         read what the ledger holds, and a new key does not help; nothing was changed"
    )]
    Lost {
        /// The data folder.
        data: PathBuf,
        /// The key's name.
        id: MasterKeyId,
        /// Where it should be.
        file: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("the key file {path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The variable is not set.
    #[error("the environment variable {0} is not set for the host: set it and try again")]
    NoVariable(String),
    /// The program could not be run, or failed.
    #[error("the command {program} gave no key: {why}")]
    Command {
        /// The program.
        program: String,
        /// Why.
        why: String,
    },
    /// What is there is no key.
    #[error("{place}: {error}")]
    Bad {
        /// Where.
        place: String,
        /// What a key is.
        error: BadMasterKey,
    },
    /// The key comes from outside: only who keeps it there can replace it.
    #[error("the master key comes from {0}, where the host cannot replace it")]
    Outside(&'static str),
    /// The ledger cannot be asked which key it needs.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The keys that the ledger is to be opened with. Makes one at the first start, where none is configured.
pub(crate) fn find(config: &Config) -> Result<MasterKeys, KeyError> {
    let needs = SqliteLedger::master_key_id(config.data.join(LEDGER))?;
    let current = match &config.encryption.master_key {
        Some(KeySource::File(path)) => in_file(path, needs.as_ref())?,
        Some(source) => read(source)?,
        None => {
            let path = config.data.join(OWN);
            let key = match (path.exists() || staged(&path).exists(), &needs) {
                (true, _) => in_file(&path, needs.as_ref())?,
                (false, Some(id)) => return Err(KeyError::Lost { data: config.data.clone(), id: id.clone(), file: path }),
                (false, None) => {
                    let key = MasterKey::generate();
                    write_new(&path, &key)?;
                    key
                }
            };
            tracing::warn!(
                file = %path.display(), key = %key.id(),
                "the master key lies beside the data that it protects: move it to another place and name that in hob.toml ([encryption] \
                 master-key), and keep a copy apart from the backups; without the key the data is lost"
            );
            key
        }
    };
    let former = config.encryption.old_master_key.as_ref().map(read).transpose()?;
    Ok(MasterKeys { current, former })
}

/// The key that a backup is to be read with: the configured one, or the file in the data folder, which must have been put there.
pub(crate) fn restoring(config: &Config) -> Result<MasterKey, KeyError> {
    match &config.encryption.master_key {
        Some(source) => read(source),
        None => read_file(&config.data.join(OWN)),
    }
}

/// A new key in the place of the configured one, staged beside its file: to be put under the ledger, then to be [`put_in_place`]. `current`
/// is the name of the key that the ledger is under. One call at a time.
pub(crate) fn stage(config: &Config, current: &MasterKeyId) -> Result<(MasterKey, PathBuf), KeyError> {
    let path = match &config.encryption.master_key {
        None => config.data.join(OWN),
        Some(KeySource::File(path)) => path.clone(),
        Some(KeySource::Env(_)) => return Err(KeyError::Outside("the environment")),
        Some(KeySource::Command(_)) => return Err(KeyError::Outside("a command")),
    };
    // A rotation that the ledger went along with and the file did not: the staged key is the only copy of the one in use.
    in_file(&path, Some(current))?;
    let new = staged(&path);
    if new.exists() {
        // Of a rotation that the ledger did not go along with.
        std::fs::remove_file(&new).map_err(|error| KeyError::File { path: new.clone(), error })?;
    }
    let key = MasterKey::generate();
    write_new(&new, &key)?;
    Ok((key, path))
}

/// The staged key takes the place of the one before.
pub(crate) fn put_in_place(path: &Path) -> Result<(), KeyError> {
    let failed = |error| KeyError::File { path: path.to_owned(), error };
    std::fs::rename(staged(path), path).map_err(failed)?;
    sync_folder(path).map_err(failed)
}

fn staged(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// The key in a file. Where a rotation was cut off between the ledger and the file, the staged key is the one.
fn in_file(path: &Path, needs: Option<&MasterKeyId>) -> Result<MasterKey, KeyError> {
    if let Some(id) = needs
        && staged(path).exists()
        && read_file(&staged(path)).is_ok_and(|key| key.id() == *id)
    {
        put_in_place(path)?;
    }
    read_file(path)
}

fn read_file(path: &Path) -> Result<MasterKey, KeyError> {
    let text = std::fs::read_to_string(path).map_err(|error| KeyError::File { path: path.to_owned(), error })?;
    parse(&text, || path.display().to_string())
}

fn parse(text: &str, place: impl FnOnce() -> String) -> Result<MasterKey, KeyError> {
    MasterKey::parse(text).map_err(|error| KeyError::Bad { place: place(), error })
}

fn read(source: &KeySource) -> Result<MasterKey, KeyError> {
    match source {
        KeySource::File(path) => read_file(path),
        KeySource::Env(name) => {
            let text = std::env::var(name).map_err(|_| KeyError::NoVariable(name.clone()))?;
            parse(&text, || format!("the environment variable {name}"))
        }
        KeySource::Command(words) => {
            let program = words.first().cloned().unwrap_or_default();
            let failed = |why: String| KeyError::Command { program: program.clone(), why };
            let run = std::process::Command::new(&program).args(words.iter().skip(1)).stdin(std::process::Stdio::null()).output();
            let output = run.map_err(|error| failed(error.kind().to_string()))?;
            if !output.status.success() {
                return Err(failed(format!("it ended with {}", output.status)));
            }
            parse(&String::from_utf8_lossy(&output.stdout), || format!("the output of {program}"))
        }
    }
}

/// Writes a key to a file that is not there, for the owner's eyes alone, and brings it to disk before it is used.
fn write_new(path: &Path, key: &MasterKey) -> Result<(), KeyError> {
    let failed = |error| KeyError::File { path: path.to_owned(), error };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path).map_err(failed)?;
    writeln!(file, "{}", key.to_hex()).and_then(|()| file.sync_all()).map_err(failed)?;
    sync_folder(path).map_err(failed)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(data: &Path, encryption: &str) -> Config {
        let path = data.join("hob.toml");
        let text = format!("admin-token = {{ env = \"T\" }}\ndata = \"data\"\n[encryption]\n{encryption}\n");
        std::fs::write(&path, text).unwrap();
        std::fs::create_dir_all(data.join("data")).unwrap();
        Config::read(&path).unwrap()
    }

    #[test]
    fn the_first_start_makes_a_key_that_only_its_owner_can_read_and_later_ones_find_it() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "");
        let made = find(&config).unwrap().current;
        let file = config.data.join(OWN);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(find(&config).unwrap().current, made);
        // Lost, with a ledger that needs it: no new one is made.
        drop(SqliteLedger::open(config.data.join(LEDGER), made.clone()).unwrap());
        std::fs::remove_file(&file).unwrap();
        let error = find(&config).unwrap_err();
        assert!(matches!(&error, KeyError::Lost { id, .. } if *id == made.id()));
        assert!(!file.exists() && error.to_string().contains("put it back"));
    }

    #[test]
    fn a_rotation_that_was_cut_off_is_ended_by_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "");
        let old = find(&config).unwrap().current;
        let ledger = config.data.join(LEDGER);
        drop(SqliteLedger::open(&ledger, old.clone()).unwrap());
        // Cut off before the ledger went over, and after.
        let (_, path) = stage(&config, &old.id()).unwrap();
        assert_eq!(find(&config).unwrap().current, old);
        let (new, _) = stage(&config, &old.id()).unwrap();
        drop(SqliteLedger::open(&ledger, MasterKeys { current: new.clone(), former: Some(old) }).unwrap());
        assert_eq!(find(&config).unwrap().current, new);
        assert!(!staged(&path).exists());
        // Cut off after it, and rotated once more by a host that goes on: the key in use is not thrown away.
        let (newer, _) = stage(&config, &new.id()).unwrap();
        drop(SqliteLedger::open(&ledger, MasterKeys { current: newer.clone(), former: Some(new) }).unwrap());
        stage(&config, &newer.id()).unwrap();
        assert_eq!(find(&config).unwrap().current, newer);
    }

    #[test]
    fn keys_from_elsewhere_are_read_and_their_errors_name_the_place_alone() {
        let folder = tempfile::tempdir().unwrap();
        let digits = "5a".repeat(32);
        std::fs::write(folder.path().join("key"), format!("{digits}\n")).unwrap();
        let key = |encryption: &str| find(&config(folder.path(), encryption));
        let wanted = MasterKey::parse(&digits).unwrap();
        for source in ["{ file = \"key\" }".to_owned(), format!("{{ command = [\"echo\", \"{digits}\"] }}")] {
            assert_eq!(key(&format!("master-key = {source}")).unwrap().current, wanted);
            assert_eq!(key(&format!("old-master-key = {source}")).unwrap().former, Some(wanted.clone()));
        }
        for source in [
            "{ command = [\"false\"] }",
            "{ command = [\"echo\", \"s3cret\"] }",
            "{ env = \"HOB_TEST_NOT_SET\" }",
            "{ file = \"no\" }",
        ] {
            let error = key(&format!("master-key = {source}")).unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
        assert!(matches!(stage(&config(folder.path(), "master-key = { env = \"X\" }"), &wanted.id()), Err(KeyError::Outside(_))));
    }
}
