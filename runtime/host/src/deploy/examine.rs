//! What is checked of a release before anything is changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use hob_ledger::{LedgerError, Release};
use hob_model::{Digest, Manifest};
use serde_json::{Map, Value};

use super::{DeployError, Wish};
use crate::core::Core;
use crate::gaps::recovery;
use crate::resolve::Watch;
use crate::sandbox::Prepared;
use crate::sources::SourceEntry;

/// A release that can be put in service.
pub(crate) struct Examined {
    pub(crate) manifest: Manifest,
    pub(crate) entry: Arc<SourceEntry>,
    pub(crate) watches: Vec<Watch>,
    pub(crate) settings: BTreeMap<String, Value>,
    pub(crate) digest: Digest,
    pub(crate) release: Arc<dyn Prepared>,
}

/// Checks all that can be checked before anything is changed.
pub(crate) async fn examine(core: &Core, wish: &Wish) -> Result<Examined, DeployError> {
    let manifest = Manifest::parse(&wish.manifest, &wish.file).map_err(Box::new)?;
    let entry = core.sources.get(&wish.tenant, &wish.source).ok_or_else(|| DeployError::NoSource(wish.source.clone()))?;
    proved(&entry, &manifest)?;
    let watches = Watch::of(&manifest, &entry.bases)?;
    let settings = checked(&manifest, wish.settings.clone())?;
    for secret in manifest.secrets.values() {
        core.places(&wish.tenant).resolve(&secret.from)?;
    }
    let digest = Release::digest_of(&wish.manifest, &wish.component);
    let release = core.prepare(&wish.tenant, digest, wish.component.clone(), manifest.clone()).await?;
    Ok(Examined { manifest, entry, watches, settings, digest, release })
}

/// Puts a release among those that the ledger keeps.
pub(crate) async fn keep(core: &Core, wish: &Wish, examined: &Examined) -> Result<(), LedgerError> {
    let release = Release {
        tenant: wish.tenant.clone(),
        digest: examined.digest,
        manifest: examined.manifest.clone(),
        manifest_text: wish.manifest.clone(),
        component: wish.component.clone(),
        created: core.clock.now(),
    };
    core.ledger.put_release(core.epoch, release).await
}

fn proved(entry: &SourceEntry, manifest: &Manifest) -> Result<(), DeployError> {
    if let Some(criteria) = recovery::needs_deletes(manifest)
        && !entry.source.capabilities.as_ref().is_some_and(recovery::of_deletes)
    {
        return Err(DeployError::Unrecoverable { source_id: entry.source.id.clone(), criteria: criteria.to_owned() });
    }
    let unproved = |why| DeployError::Unproved { source_id: entry.source.id.clone(), why };
    let writes = manifest.scopes.iter().any(|scope| {
        let may = scope.interactions;
        may.create || may.update || may.delete
    });
    match &entry.source.capabilities {
        _ if !writes => Ok(()),
        None => Err(unproved("it has not been checked")),
        Some(proved) if !proved.atomic => Err(unproved("its transactions are not atomic")),
        Some(proved) if !proved.fence => Err(unproved("a repeat of a transaction can succeed twice")),
        Some(_) => Ok(()),
    }
}

/// The deployment's settings over the manifest's defaults.
pub(crate) fn checked(manifest: &Manifest, mut given: Map<String, Value>) -> Result<BTreeMap<String, Value>, DeployError> {
    let wrong = |name: &str, why| DeployError::Setting { name: name.to_owned(), why };
    let mut settings = BTreeMap::new();
    for (name, spec) in &manifest.settings {
        match given.remove(name).or_else(|| spec.default.clone()) {
            Some(value) if spec.kind.takes(&value) => {
                settings.insert(name.clone(), value);
            }
            Some(_) => return Err(wrong(name, "is not of the type that the manifest gives it")),
            None => return Err(wrong(name, "has no default: give it a value with --set")),
        }
    }
    match given.keys().next() {
        Some(unknown) => Err(wrong(unknown, "the manifest has no such setting")),
        None => Ok(settings),
    }
}
