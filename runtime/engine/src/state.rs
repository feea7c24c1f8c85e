//! All that one run holds: the `T` of its `Store`. Host functions are methods on it, one file for each interface, in `host/`.

use std::collections::BTreeMap;
use std::sync::Arc;

use hob_model::{Effects, Failure, FailureKind, Guard, Journal, OutboxItem, Reference, TimerOp, VersionId};
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::budget::{Budget, Meter, kib};
use crate::recorder::Recorder;
use crate::release::Bound;
use crate::scopes::Access;
use crate::staging::{Base, Staging};
use crate::stop::Limit;
use crate::{Denial, Document, FhirReads, Outbound, RunInput, Secrets};

/// A resource as the run first saw it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) base: Base,
    /// It came with the event and the server was not asked: good for If-Match, not for `read`.
    pub(crate) from_event: bool,
}

/// What kind of Bundle an answer is.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "four independent properties")]
pub(crate) struct Shape {
    /// A history, not a search.
    pub(crate) history: bool,
    /// What it holds are not whole resources.
    pub(crate) partial: bool,
    /// The scopes cover only a part of the type.
    pub(crate) narrowed: bool,
    /// What the server counts is of nothing that may be hidden.
    pub(crate) counts: bool,
}

/// A page that the guest may ask for.
#[derive(Debug, Clone)]
pub(crate) struct Next {
    pub(crate) link: String,
    pub(crate) shape: Shape,
}

/// One run's state.
pub(crate) struct State {
    pub(crate) bound: Arc<Bound>,
    pub(crate) access: Access,
    pub(crate) input: RunInput,
    pub(crate) fhir: Arc<dyn FhirReads>,
    pub(crate) http: Arc<dyn Outbound>,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) budget: Budget,
    pub(crate) meter: Arc<Meter>,
    pub(crate) recorder: Recorder,
    pub(crate) staging: Staging,
    pub(crate) known: BTreeMap<Reference, Known>,
    pub(crate) nexts: Vec<Next>,
    pub(crate) guards: Vec<Guard>,
    pub(crate) timers: Vec<TimerOp>,
    pub(crate) outbox: Vec<OutboxItem>,
    /// Bytes of timers, outbox and result.
    pub(crate) output: usize,
    /// Ends the attempt whatever the guest answers; the first one stands.
    pub(crate) fatal: Option<Failure>,
    pub(crate) denial: Denial,
    pub(crate) table: ResourceTable,
    pub(crate) wasi: WasiCtx,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl State {
    /// Notes the event's resource as read, so that an update of it fails where it has moved on.
    pub(crate) fn know_event(&mut self) {
        let Some(resource) = &self.input.resource else { return };
        if let Some((reference, version)) = identity(resource) {
            let base = Base { version, resource: resource.clone() };
            self.known.insert(reference, Known { base, from_event: true });
        }
    }

    /// Gives the guest a handle on a document; what the host holds for it is charged.
    pub(crate) fn hand_out(&mut self, document: Document) -> wasmtime::Result<Resource<Document>> {
        self.budget.hold(document.weight())?;
        Ok(self.table.push(document)?)
    }

    /// Checks the limits on what is staged.
    pub(crate) fn check_output(&self) -> wasmtime::Result<()> {
        let limits = &self.budget.limits;
        // A guard is an entry of the transaction too.
        if self.staging.len() + self.guards.len() > usize::try_from(limits.writes).unwrap_or(usize::MAX) {
            return Err(self.budget.over(Limit::Writes));
        }
        if self.staging.bytes().saturating_add(self.output) > kib(limits.output_kib) {
            return Err(self.budget.over(Limit::Output));
        }
        Ok(())
    }

    /// Notes that the bot went beyond its scopes.
    pub(crate) fn deny(&mut self, missing: &crate::scopes::Missing) -> Failure {
        let message = format!("{}; add it to `scopes` in bot.toml", missing.0);
        let failure = Failure { kind: FailureKind::Fatal, code: "scope".to_owned(), message, retry_after: None };
        self.fatal.get_or_insert(failure).clone()
    }

    /// What is left when the guest is gone: effects, journal without log, versions seen.
    pub(crate) fn finish(mut self) -> (Result<Effects, Failure>, Journal, BTreeMap<Reference, VersionId>) {
        let read = self.known.iter().map(|(reference, known)| (reference.clone(), known.base.version.clone())).collect();
        let journal =
            Journal { seed: self.input.seed, started: self.input.now, calls: self.recorder.take(), ..Journal::default() };
        (self.effects(), journal, read)
    }

    fn effects(self) -> Result<Effects, Failure> {
        let mut guards = Vec::new();
        for guard in self.guards {
            match self.staging.base(&guard.target) {
                // The write itself is conditional on the same version.
                Some(base) if base.version == guard.version => {}
                Some(_) => {
                    return Err(Failure {
                        kind: FailureKind::Conflict,
                        code: "guard".to_owned(),
                        message: "a guarded resource was at another version when it was read to be written".to_owned(),
                        retry_after: None,
                    });
                }
                None => guards.push(guard),
            }
        }
        Ok(Effects { writes: self.staging.into_writes(), guards, timers: self.timers, outbox: self.outbox })
    }
}

/// Type, id and version of a resource, where it has all three.
pub(crate) fn identity(resource: &Document) -> Option<(Reference, VersionId)> {
    let version = resource.value().pointer("/meta/versionId")?.as_str()?;
    Some((reference_of(resource.value())?, VersionId::new(version).ok()?))
}

/// Type and id of a resource.
pub(crate) fn reference_of(resource: &serde_json::Value) -> Option<Reference> {
    let text = |key: &str| resource.get(key)?.as_str();
    Some(Reference { resource_type: text("resourceType")?.parse().ok()?, id: text("id")?.parse().ok()? })
}
