//! The tenants' keys, and what is done with them.
//!
//! Goal: who has the file, its WAL or a backup without the master key learns nothing of a patient; and a value that is moved to
//! another tenant, table or column cannot be read there.
//!
//! # Keys
//! Each tenant has random data keys, by generation, and one random key for names. They stand in `data_keys`, wrapped by the
//! master key. A new value is under the newest generation; older ones are read by theirs until they are written anew.
//!
//! # Values
//! XAES-256-GCM: AES-256-GCM whose 192-bit nonces may be random for as many values as there ever are. A format byte and the
//! generation stand in front; tenant, table and column are associated data.
//!
//! # Names
//! What must be found by equality (a resource, a lane, the key of a timer) is under AES-256-SIV (RFC 5297): the same name gives the
//! same text, so that who has the file sees that two rows are about one patient and not about which. Names keep their key for ever:
//! under two keys one name would be two.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use aes_siv::siv::Aes256Siv;
use data_encoding::BASE64URL_NOPAD;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rusqlite::{Connection, params};
use xaes_256_gcm::Xaes256Gcm;
use xaes_256_gcm::aead::{Aead as _, KeyInit as _, Payload};

use super::fault::{Fault, Res};
use crate::MasterKey;

/// The format of a sealed value: format, generation, nonce, ciphertext and tag.
const FORMAT: u8 = 1;
const NONCE: usize = 24;
const HEAD: usize = 1 + 4 + NONCE;
/// The generation under which the key for names stands in `data_keys`.
pub(super) const NAMES: u32 = 0;

/// The keys of one tenant.
pub(super) struct TenantKeys {
    values: BTreeMap<u32, Xaes256Gcm>,
    newest: u32,
    names: [u8; 64],
}

impl std::fmt::Debug for TenantKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TenantKeys(generation {})", self.newest)
    }
}

impl TenantKeys {
    pub(super) fn has(&self, generation: u32) -> bool {
        self.values.contains_key(&generation)
    }

    pub(super) const fn newest(&self) -> u32 {
        self.newest
    }

    fn seal(&self, nonce: [u8; NONCE], place: &[u8], clear: &[u8]) -> Res<Vec<u8>> {
        let key = self.values.get(&self.newest).ok_or(Fault::Key)?;
        let sealed = key.encrypt(&nonce.into(), Payload { msg: clear, aad: place }).map_err(|_| Fault::Key)?;
        let mut value = Vec::with_capacity(HEAD + sealed.len());
        value.push(FORMAT);
        value.extend_from_slice(&self.newest.to_be_bytes());
        value.extend_from_slice(&nonce);
        value.extend_from_slice(&sealed);
        Ok(value)
    }

    /// The value in clear; `None` where it cannot be opened with the tenant's keys.
    pub(super) fn open(&self, place: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let key = self.values.get(&generation(value)?)?;
        let (head, sealed) = value.split_at_checked(HEAD)?;
        let nonce: [u8; NONCE] = head.get(5..)?.try_into().ok()?;
        key.decrypt(&nonce.into(), Payload { msg: sealed, aad: place }).ok()
    }

    pub(super) fn name_in(&self, place: &[u8], name: &str) -> Res<String> {
        let sealed = Aes256Siv::new(&self.names.into()).encrypt([place], name.as_bytes()).map_err(|_| Fault::Key)?;
        Ok(BASE64URL_NOPAD.encode(&sealed))
    }

    pub(super) fn name_out(&self, place: &[u8], text: &str) -> Option<String> {
        let sealed = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        String::from_utf8(Aes256Siv::new(&self.names.into()).decrypt([place], &sealed).ok()?).ok()
    }
}

/// The generation that a sealed value names.
pub(super) fn generation(value: &[u8]) -> Option<u32> {
    let (format, rest) = value.split_first()?;
    let generation = rest.get(..4)?.try_into().ok()?;
    (*format == FORMAT).then(|| u32::from_be_bytes(generation))
}

/// The master key, and while it is changed both: the ledger says which of them wraps. Shared by the writer's vault and the readers'.
#[derive(Debug)]
pub(super) struct Masters(RwLock<Vec<MasterKey>>);

impl Masters {
    pub(super) fn new(key: MasterKey) -> Arc<Self> {
        Arc::new(Self(RwLock::new(vec![key])))
    }

    pub(super) fn add_all(&self, keys: impl IntoIterator<Item = MasterKey>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(keys);
    }

    /// Forgets all but the key of this name.
    pub(super) fn keep(&self, id: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|known| known.id().as_str() == id);
    }

    fn unwrap(&self, tenant: &str, generation: u32, wrapped: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = wrapped.split_at_checked(NONCE)?;
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        let place = key_place(tenant, generation);
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().find_map(|master| cipher(master).decrypt(&nonce.into(), Payload { msg: sealed, aad: &place }).ok())
    }
}

fn cipher(master: &MasterKey) -> Xaes256Gcm {
    Xaes256Gcm::new(master.bytes().into())
}

fn key_place(tenant: &str, generation: u32) -> Vec<u8> {
    let mut place = format!("data_keys {generation} ").into_bytes();
    place.extend_from_slice(tenant.as_bytes());
    place
}

/// Where a value stands: its associated data. No part can hold the separator.
pub(super) fn place(tenant: &str, table: &str, column: &str) -> Vec<u8> {
    [tenant, table, column].join("\0").into_bytes()
}

/// Keys as they are needed, kept once unwrapped. The writer has one and the readers share one: only the writer's makes keys.
#[derive(Debug)]
pub(super) struct Vault {
    masters: Arc<Masters>,
    makes: bool,
    known: Mutex<BTreeMap<String, Arc<TenantKeys>>>,
    /// Tenants whose keys this transaction made or changed. They are read from the table and not kept: it may be rolled back.
    fresh: Mutex<BTreeSet<String>>,
    random: Mutex<StdRng>,
}

impl Vault {
    pub(super) fn new(masters: Arc<Masters>, makes: bool) -> Self {
        let random = Mutex::new(StdRng::from_rng(&mut rand::rng()));
        Self { masters, makes, known: Mutex::default(), fresh: Mutex::default(), random }
    }

    pub(super) const fn masters(&self) -> &Arc<Masters> {
        &self.masters
    }

    /// A transaction begins: what an earlier one made is on disk or gone.
    pub(super) fn begins(&self) {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// This transaction changed the tenant's keys.
    pub(super) fn changed(&self, tenant: &str) {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.to_owned());
        self.forget(tenant);
    }

    pub(super) fn forget(&self, tenant: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }

    /// The keys of a tenant. The writer makes them where there are none; a reader gets keys that open nothing, since there is
    /// nothing to open.
    pub(super) fn keys(&self, db: &Connection, tenant: &str) -> Res<Arc<TenantKeys>> {
        if let Some(keys) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(tenant) {
            return Ok(Arc::clone(keys));
        }
        let keys = match self.load(db, tenant)? {
            Some(keys) => Arc::new(keys),
            None if self.makes => {
                self.put(db, tenant, NAMES, &self.bytes::<64>(), None)?;
                self.put(db, tenant, 1, &self.bytes::<32>(), None)?;
                self.changed(tenant);
                Arc::new(self.load(db, tenant)?.ok_or(Fault::Key)?)
            }
            None => return Ok(Arc::new(TenantKeys { values: BTreeMap::new(), newest: 0, names: self.bytes() })),
        };
        if !self.fresh.lock().unwrap_or_else(PoisonError::into_inner).contains(tenant) {
            self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.to_owned(), Arc::clone(&keys));
        }
        Ok(keys)
    }

    /// The keys of a tenant as the table has them; `None` where it has none.
    pub(super) fn load(&self, db: &Connection, tenant: &str) -> Res<Option<TenantKeys>> {
        let mut statement = db.prepare_cached("SELECT generation, wrapped FROM data_keys WHERE tenant = ?1")?;
        let mut rows = statement.query([tenant])?;
        let (mut values, mut names) = (BTreeMap::new(), None);
        while let Some(row) = rows.next()? {
            let generation: u32 = row.get(0)?;
            let key = self.masters.unwrap(tenant, generation, row.get_ref(1)?.as_blob().map_err(|_| Fault::Key)?);
            let key = key.ok_or(Fault::Key)?;
            if generation == NAMES {
                names = Some(key.try_into().map_err(|_| Fault::Key)?);
            } else {
                values.insert(generation, Xaes256Gcm::new_from_slice(&key).map_err(|_| Fault::Key)?);
            }
        }
        let Some(newest) = values.keys().next_back().copied() else { return Ok(None) };
        Ok(Some(TenantKeys { values, newest, names: names.ok_or(Fault::Key)? }))
    }

    /// Keeps a new key of a tenant, wrapped. `created` is in microseconds, where it is known.
    pub(super) fn put(&self, db: &Connection, tenant: &str, generation: u32, key: &[u8], created: Option<i64>) -> Res<()> {
        let wrapped = self.wrap(db, tenant, generation, key)?;
        let sql = "INSERT INTO data_keys (tenant, generation, wrapped, created) VALUES (?1, ?2, ?3, ?4)";
        db.prepare_cached(sql)?.execute(params![tenant, generation, wrapped, created])?;
        Ok(())
    }

    /// Puts every key under the master key of this name, which must be known.
    pub(super) fn rewrap(&self, db: &Connection, master: &str) -> Res<()> {
        let mut statement = db.prepare("SELECT tenant, generation, wrapped FROM data_keys")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let all: Vec<(String, u32, Vec<u8>)> = rows.collect::<rusqlite::Result<_>>()?;
        db.execute("INSERT OR REPLACE INTO master_key (one, id) VALUES (1, ?1)", [master])?;
        for (tenant, generation, wrapped) in all {
            let key = self.masters.unwrap(&tenant, generation, &wrapped).ok_or(Fault::Key)?;
            let wrapped = self.wrap(db, &tenant, generation, &key)?;
            let sql = "UPDATE data_keys SET wrapped = ?3 WHERE tenant = ?1 AND generation = ?2";
            db.prepare_cached(sql)?.execute(params![tenant, generation, wrapped])?;
        }
        Ok(())
    }

    fn wrap(&self, db: &Connection, tenant: &str, generation: u32, key: &[u8]) -> Res<Vec<u8>> {
        // The name that this transaction sees, and not the newest in memory: a change of the master key may yet be rolled back.
        let id: String = db.query_row("SELECT id FROM master_key", [], |row| row.get(0))?;
        let masters = self.masters.0.read().unwrap_or_else(PoisonError::into_inner);
        let master = masters.iter().find(|known| known.id().as_str() == id).ok_or(Fault::Key)?;
        let (nonce, place) = (self.bytes::<NONCE>(), key_place(tenant, generation));
        let sealed = cipher(master).encrypt(&nonce.into(), Payload { msg: key, aad: &place }).map_err(|_| Fault::Key)?;
        Ok([&nonce[..], &sealed].concat())
    }

    pub(super) fn seal(&self, keys: &TenantKeys, place: &[u8], clear: &[u8]) -> Res<Vec<u8>> {
        keys.seal(self.bytes(), place, clear)
    }

    /// Random bytes: a generator of its own, seeded by the operating system, so that a nonce costs no system call.
    pub(super) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.lock().unwrap_or_else(PoisonError::into_inner).fill(&mut bytes[..]);
        bytes
    }
}
