//! Compiled components on disk, authenticated: what was not written by this host under its own key is refused and built again.
//!
//! A file is a magic line, an HMAC-SHA256 over the entry's name and the code, and the code. Files are written beside and renamed, so
//! a crash leaves no half file under a name; one that is cut short all the same fails the check.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, KeyInit, Mac};
use hob_model::Digest;
use sha2::Sha256;

use crate::EngineError;
use crate::compile::Output;

const MAGIC: &[u8; 8] = b"hob-aot1";
const TAG: usize = 32;

/// Machine code whose origin is known. Nothing but this module can make one.
pub(crate) struct Authentic {
    bytes: Vec<u8>,
    /// Where the code begins.
    begin: usize,
}

impl Authentic {
    /// What a compiler's process of this host answered, without a file in between.
    pub(crate) fn of_child(output: Output) -> Self {
        Self { bytes: output.into_code(), begin: 0 }
    }

    /// The code.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.begin..]
    }
}

/// Why there is nothing to load.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Miss {
    /// Never compiled here.
    Absent,
    /// Truncated, changed or foreign.
    Refused,
}

/// The folder.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    key: [u8; 32],
}

impl Cache {
    /// Opens the folder and its key, and makes both at the first start.
    ///
    /// # Errors
    /// [`EngineError::Cache`] where either cannot be made or read, or where others can read the key.
    pub(crate) fn open(dir: &Path) -> Result<Self, EngineError> {
        let path = dir.join("key");
        let refuse = |source| EngineError::Cache { path: path.clone(), source };
        fs::create_dir_all(dir).and_then(|()| fs::set_permissions(dir, Permissions::from_mode(0o700))).map_err(refuse)?;
        let key = match make_key(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read_key(&path),
            made => made,
        };
        Ok(Self { dir: dir.to_owned(), key: key.map_err(refuse)? })
    }

    /// Whether something is stored under `name`; what it is worth is seen when it is loaded.
    pub(crate) fn has(&self, name: &Digest) -> bool {
        self.path(name).is_file()
    }

    /// The code stored under `name`.
    pub(crate) fn load(&self, name: &Digest) -> Result<Authentic, Miss> {
        let bytes = match fs::read(self.path(name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Miss::Absent),
            Err(_) => return Err(Miss::Refused),
        };
        let rest = bytes.strip_prefix(MAGIC).ok_or(Miss::Refused)?;
        let (tag, code) = rest.split_at_checked(TAG).ok_or(Miss::Refused)?;
        self.mac(name, code).ok_or(Miss::Refused)?.verify_slice(tag).map_err(|_| Miss::Refused)?;
        Ok(Authentic { bytes, begin: MAGIC.len() + TAG })
    }

    /// Stores code.
    ///
    /// # Errors
    /// The system's; the caller goes on without.
    pub(crate) fn store(&self, name: &Digest, code: &[u8]) -> io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mac = self.mac(name, code).ok_or(io::ErrorKind::InvalidInput)?;
        let beside = self.dir.join(format!("{}.{}.{}", name.hex(), std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let write = || {
            let mut file = private(&beside)?;
            file.write_all(MAGIC)?;
            file.write_all(&mac.finalize().into_bytes())?;
            file.write_all(code)?;
            fs::rename(&beside, self.path(name))
        };
        write().inspect_err(|_| drop(fs::remove_file(&beside)))
    }

    fn path(&self, name: &Digest) -> PathBuf {
        self.dir.join(format!("{}.cwasm", name.hex()))
    }

    fn mac(&self, name: &Digest, code: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(MAGIC);
        mac.update(name.as_bytes());
        mac.update(code);
        Some(mac)
    }
}

/// A new file that only this user can read.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn make_key(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = private(path)?;
    let mut key = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    file.write_all(&key)?;
    file.sync_all()?;
    Ok(key)
}

fn read_key(path: &Path) -> io::Result<[u8; 32]> {
    let open = fs::metadata(path)?.permissions().mode() & 0o077 != 0;
    if open {
        let why = "others can read the key: delete the folder, it is made again";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    let wrong = |_| io::Error::new(io::ErrorKind::InvalidData, "the key is not 32 bytes: delete the folder, it is made again");
    fs::read(path)?.try_into().map_err(|bytes: Vec<u8>| wrong(bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn gives_back_what_was_stored_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let name = Digest::of(b"one");
        assert_eq!(cache.load(&name).err(), Some(Miss::Absent));
        cache.store(&name, b"code").unwrap();
        assert_eq!(cache.load(&name).ok().unwrap().bytes(), b"code");
        // The same folder after a restart.
        assert_eq!(Cache::open(dir.path()).unwrap().load(&name).ok().unwrap().bytes(), b"code");
        // A genuine file under another name.
        let other = Digest::of(b"other");
        fs::copy(cache.path(&name), cache.path(&other)).unwrap();
        assert_eq!(cache.load(&other).err(), Some(Miss::Refused));
        // A file of another host.
        let foreign_dir = tempfile::tempdir().unwrap();
        let foreign = Cache::open(foreign_dir.path()).unwrap();
        foreign.store(&name, b"code").unwrap();
        fs::copy(foreign.path(&name), cache.path(&name)).unwrap();
        assert_eq!(cache.load(&name).err(), Some(Miss::Refused));
    }

    #[test]
    fn refuses_a_key_that_others_can_read() {
        let dir = tempfile::tempdir().unwrap();
        Cache::open(dir.path()).unwrap();
        fs::set_permissions(dir.path().join("key"), Permissions::from_mode(0o644)).unwrap();
        assert!(Cache::open(dir.path()).unwrap_err().to_string().contains("key"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_change_is_refused(at in 0_usize..60, flip in 1_u8.., cut in 0_usize..60) {
            let dir = tempfile::tempdir().unwrap();
            let cache = Cache::open(dir.path()).unwrap();
            let name = Digest::of(b"one");
            cache.store(&name, &[7; 20]).unwrap();
            let whole = fs::read(cache.path(&name)).unwrap();
            let mut changed = whole.clone();
            changed[at] ^= flip;
            fs::write(cache.path(&name), changed).unwrap();
            prop_assert_eq!(cache.load(&name).err(), Some(Miss::Refused));
            fs::write(cache.path(&name), &whole[..cut]).unwrap();
            prop_assert_eq!(cache.load(&name).err(), Some(Miss::Refused));
        }
    }
}
