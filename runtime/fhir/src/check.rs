//! `hob source check`: proves on the live server what it can do, and cleans up after itself.
//!
//! What a server says of itself counts for nothing here: every step makes something, looks what became of it, and a step that cannot look proves
//! nothing. All that is made are `Basic` resources without patient data, found again by one identifier and deleted at the end.

use hob_model::{Capabilities, Reference, ResourceType, RunId, Timestamp};
use serde_json::{Value, json};

use crate::fence::{FenceUse, Slot, SlotName};
use crate::{Client, FhirError, FhirErrorKind};

mod commits;
mod reading;

/// One thing tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What, in a word: `metadata`, `atomic`, `fence`, `lost-answer`, `guard`, `delete-if-match`, `client-ids`, `entries`, `instance-history`,
    /// `deletes`, `type-history`, `strict-search`, `cleanup`.
    pub step: &'static str,
    /// Whether the server did what Hob needs or can use.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
}

/// All that was proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What the source can do.
    pub capabilities: Capabilities,
    /// Whether effects can be committed once: atomic and fence.
    pub usable: bool,
    /// What stands against it, and what to do.
    pub problems: Vec<String>,
}

/// Tries everything, telling `progress` after each step.
///
/// # Errors
/// Only where the server cannot be worked with at all: no connection, no credentials, no FHIR R4.
pub async fn run(client: &Client, progress: &mut (dyn FnMut(&Step) + Send + Sync)) -> Result<Report, FhirError> {
    let mut check = Check::new(client, progress);
    check.metadata().await?;
    let fenced = async {
        check.atomic().await?;
        check.fence().await?;
        check.guard().await?;
        check.delete_if_match().await?;
        check.entries().await
    };
    if let Err(e) = fenced.await {
        check.failed("commits", &e);
    }
    if let Err(e) = check.client_ids().await {
        check.failed("client-ids", &e);
    }
    if let Err(e) = check.histories().await {
        check.failed("histories", &e);
    }
    if let Err(e) = check.strict_search().await {
        check.failed("strict-search", &e);
    }
    check.cleanup().await;
    Ok(check.report())
}

/// `identifier.system` of all that a check makes; the value is the check's own.
const MADE: &str = "urn:hob:check";
/// `identifier.system` of which step made it.
const STEP: &str = "urn:hob:check:step";

struct Check<'a> {
    client: &'a Client,
    progress: &'a mut (dyn FnMut(&Step) + Send + Sync),
    /// Tells this check's resources from those of others.
    name: String,
    started: Timestamp,
    attempts: u32,
    slots: Vec<Reference>,
    capabilities: Capabilities,
    problems: Vec<String>,
}

impl<'a> Check<'a> {
    fn new(client: &'a Client, progress: &'a mut (dyn FnMut(&Step) + Send + Sync)) -> Self {
        let started = client.now();
        let capabilities = Capabilities {
            checked: started,
            software: None,
            atomic: false,
            fence: false,
            client_ids: false,
            conflict_status: None,
            instance_history: false,
            type_history: false,
            history_shows_deletes: false,
            integer_versions: false,
            strict_search: false,
            transaction_entries: 0,
            notes: Vec::new(),
        };
        let name = format!("check-{}", RunId::of_parts(&[b"check", &started.micros().to_be_bytes()]).bare());
        Self { client, progress, name, started, attempts: 0, slots: Vec::new(), capabilities, problems: Vec::new() }
    }

    /// Tells a step's end; what was not ok is noted too.
    fn tell(&mut self, step: &'static str, ok: bool, detail: impl Into<String>) {
        let step = Step { step, ok, detail: detail.into() };
        if !ok {
            self.capabilities.notes.push(format!("{}: {}", step.step, step.detail));
        }
        (self.progress)(&step);
    }

    fn failed(&mut self, step: &'static str, error: &FhirError) {
        self.tell(step, false, error.to_string());
    }

    fn report(self) -> Report {
        let mut problems = self.problems;
        if !self.capabilities.atomic {
            problems.push(
                "transactions are not proved to be all or nothing, so effects cannot be committed once: turn transactions on at the server".to_owned(),
            );
        }
        if !self.capabilities.fence {
            problems.push("the fence is not proved to hold, so a lost answer could do effects twice".to_owned());
        }
        let usable = self.capabilities.atomic && self.capabilities.fence;
        Report { capabilities: self.capabilities, usable, problems }
    }

    /// What a step makes.
    fn marker(&self, step: &str) -> Value {
        json!({
            "resourceType": "Basic",
            "identifier": [{"system": MADE, "value": self.name}, {"system": STEP, "value": format!("{}-{step}", self.name)}],
            "code": {"coding": [{"system": "urn:hob:basic", "code": "check"}], "text": "Hob: made by a source check, may be deleted"},
        })
    }

    /// How many of them are on the server.
    async fn count(&self, step: &str) -> Result<usize, FhirError> {
        Ok(self.found(&format!("identifier={STEP}%7C{}-{step}", self.name)).await?.len())
    }

    async fn found(&self, query: &str) -> Result<Vec<Reference>, FhirError> {
        let mut page = self.client.search(&basic()?, query).await?;
        let mut all = page.matches()?;
        while let Some(next) = &page.next {
            page = self.client.more(next).await?;
            all.extend(page.matches()?);
        }
        all.iter().map(crate::Versioned::reference).collect()
    }

    /// A slot of the check's own.
    async fn slot(&mut self, name: &str) -> Result<Slot, FhirError> {
        let name =
            SlotName::new(format!("{}-{name}", self.name)).map_err(|e| FhirError::new(FhirErrorKind::Invalid, "slot", e))?;
        let slot = crate::fence::ensure(self.client, &name).await?;
        self.slots.push(slot.reference.clone());
        Ok(slot)
    }

    fn fence_use(&mut self, slot: &Slot) -> FenceUse {
        self.attempts += 1;
        FenceUse { slot: slot.clone(), run: RunId::of_parts(&[self.name.as_bytes()]), attempt: self.attempts }
    }

    async fn metadata(&mut self) -> Result<(), FhirError> {
        let statement = self.client.capability_statement().await?;
        let version = statement["fhirVersion"].as_str().unwrap_or_default();
        if !version.starts_with("4.0") {
            return Err(FhirError::protocol("read the CapabilityStatement", "the server does not speak FHIR R4 (4.0)"));
        }
        let software = &statement["software"];
        let name = software["name"].as_str().map(|name| format!("{name} {}", software["version"].as_str().unwrap_or_default()));
        self.capabilities.software = name.map(|name| name.trim_end().to_owned());
        let detail = format!("FHIR {version}, {}", self.capabilities.software.as_deref().unwrap_or("software not named"));
        self.tell("metadata", true, detail);
        Ok(())
    }

    /// HAPI with referential integrity on answers the first delete after its start, and that one alone, with a conflict.
    async fn delete(&self, reference: &Reference) -> Result<(), FhirError> {
        let mut left = 2;
        loop {
            match self.client.delete(reference, None).await {
                Err(e) if e.kind == FhirErrorKind::Conflict && left > 0 => left -= 1,
                other => return other,
            }
        }
    }

    /// Deletes all that was made, also by steps that broke off.
    async fn cleanup(&mut self) {
        let mut left = 0_usize;
        match self.found(&format!("identifier={MADE}%7C{}&_count=100", self.name)).await {
            Ok(found) => {
                for reference in found.iter().chain(&self.slots) {
                    if self.delete(reference).await.is_err() {
                        left += 1;
                    }
                }
                let made = found.len() + self.slots.len();
                if left == 0 {
                    self.tell("cleanup", true, format!("deleted {made} Basic resources"));
                } else {
                    self.tell("cleanup", false, format!("{left} of {made} Basic resources could not be deleted"));
                }
            }
            Err(e) => {
                self.tell("cleanup", false, format!("Basic resources with the identifier {MADE}|{} are left: {e}", self.name))
            }
        }
    }
}

fn basic() -> Result<ResourceType, FhirError> {
    ResourceType::new("Basic").map_err(|e| FhirError::new(FhirErrorKind::Invalid, "Basic", e))
}
