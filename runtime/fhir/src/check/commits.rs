//! What commits hang on: all or nothing, the fence, what it tells after a lost answer, guards, deletes, and how much goes into one.

use futures::future::join_all;
use hob_model::{Effects, Guard, Write};
use serde_json::json;

use super::{Check, basic};
use crate::commit::{self, CommitOutcome, Finding};
use crate::fence::FenceUse;
use crate::plan::{self, CommitPlan};
use crate::{FhirError, FhirErrorKind, Stored};

/// How many sends race for one fence.
const RACERS: usize = 8;
/// How often in a row a server must refuse before it is taken at its word.
const REFUSALS: usize = 3;
/// Numbers of creates that are tried in one transaction.
const SIZES: [u32; 3] = [2, 20, 100];

impl Check<'_> {
    fn creates(&self, step: &str, number: u32) -> Result<Effects, FhirError> {
        let resource_type = basic()?;
        let create = |n: u32| Write::Create {
            resource_type: resource_type.clone(),
            reference: format!("urn:uuid:00000000-0000-4000-8000-{n:012x}"),
            is_final: false,
            if_none_exist: None,
            resource: self.marker(step),
        };
        Ok(Effects { writes: (1..=number).map(create).collect(), ..Effects::default() })
    }

    /// A marker at its second version, so that its first is stale.
    async fn twice_written(&mut self, step: &str) -> Result<(Stored, Stored), FhirError> {
        let first = self.client.create(&self.marker(step), None).await?;
        let mut resource = self.marker(step);
        resource["id"] = json!(first.reference.id.as_str());
        resource["code"]["text"] = json!("Hob: made by a source check, and changed once");
        let second = self.client.update(&resource, None).await?;
        Ok((first, second))
    }

    pub(super) async fn atomic(&mut self) -> Result<(), FhirError> {
        const STEP: &str = "atomic";
        let (first, _) = self.twice_written("atomic-target").await?;
        let read = version_of(&first)?;
        let mut resource = self.marker("atomic-target");
        resource["id"] = json!(first.reference.id.as_str());
        let slot = self.slot(STEP).await?;
        let fence = self.fence_use(&slot);
        let mut effects = self.creates(STEP, 2)?;
        effects.writes.push(Write::Update { target: first.reference, read, resource });
        let plan = planned(&effects, &fence)?;
        let failed = match self.client.transaction(plan.bytes.clone()).await {
            Ok(_) => {
                self.tell(STEP, false, "a transaction with an entry that must fail was answered as a success");
                return Ok(());
            }
            Err(e) => e,
        };
        self.capabilities.conflict_status = failed.status.filter(|_| failed.kind == FhirErrorKind::Conflict);
        let left = self.count(STEP).await?;
        // That the search finds nothing proves something only if it finds what is there.
        let control = self.count("atomic-target").await?;
        let unmoved = commit::find_out(self.client, &plan).await? == Finding::NotYet;
        self.capabilities.atomic = left == 0 && control == 1 && unmoved && self.capabilities.conflict_status.is_some();
        let status = failed.status.unwrap_or_default();
        let detail = if self.capabilities.atomic {
            format!("a stale If-Match is answered {status} and leaves nothing of its transaction")
        } else if control != 1 {
            "a search did not find what was just written, so nothing is proved: does the server index late?".to_owned()
        } else if left > 0 || !unmoved {
            format!("the failed transaction left {left} resources behind")
        } else {
            format!("a stale If-Match is answered {status}, which is no conflict (409 or 412)")
        };
        self.tell(STEP, self.capabilities.atomic, detail);
        Ok(())
    }

    pub(super) async fn fence(&mut self) -> Result<(), FhirError> {
        const STEP: &str = "fence";
        let slot = self.slot(STEP).await?;
        let fence = self.fence_use(&slot);
        let plan = planned(&self.creates("repeat", 2)?, &fence)?;
        let first = match commit::commit(self.client, &plan).await {
            CommitOutcome::Committed(committed) => committed,
            other => {
                self.tell(STEP, false, format!("a plain commit did not go through: {}", outcome_word(&other)));
                return Ok(());
            }
        };
        let repeat = self.client.transaction(plan.bytes.clone()).await;
        let once = repeat.is_err() && self.count("repeat").await? == 2;

        let slot = first.slot.clone().unwrap_or(slot);
        let fence = self.fence_use(&slot);
        let race = planned(&self.creates("race", 2)?, &fence)?;
        let sends = join_all((0..RACERS).map(|_| self.client.transaction(race.bytes.clone()))).await;
        let won = sends.iter().filter(|sent| sent.is_ok()).count();
        let made = self.count("race").await?;
        self.capabilities.fence = once && won == 1 && made == 2;
        let detail = format!(
            "sent twice it {}; of {RACERS} at once {won} succeeded and {made} of 2 resources were made",
            if once { "happened once" } else { "happened twice" }
        );
        self.tell(STEP, self.capabilities.fence, detail);

        let ids = |committed: &commit::Committed| committed.written.iter().map(|w| w.reference.clone()).collect::<Vec<_>>();
        let versions = |committed: &commit::Committed| committed.written.iter().map(|w| w.version.clone()).collect::<Vec<_>>();
        match commit::find_out(self.client, &plan).await? {
            Finding::Happened(found) if ids(&found) == ids(&first) => {
                let told = if versions(&found) == versions(&first) { "with their versions" } else { "without their versions" };
                self.tell("lost-answer", true, format!("the fence tells what was created, {told}"));
            }
            Finding::Happened(_) => self.tell(
                "lost-answer",
                false,
                "the server does not put ids into elements of type uri: after a lost answer Hob knows that a commit happened, but not what it created",
            ),
            Finding::NotYet | Finding::Never { .. } => {
                self.capabilities.fence = false;
                self.tell("lost-answer", false, "the fence does not say that the commit happened");
            }
        }
        Ok(())
    }

    pub(super) async fn guard(&mut self) -> Result<(), FhirError> {
        const STEP: &str = "guard";
        let (first, second) = self.twice_written(STEP).await?;
        let slot = self.slot(STEP).await?;
        let guarded =
            |version| Effects { guards: vec![Guard { target: first.reference.clone(), version }], ..Effects::default() };
        let fence = self.fence_use(&slot);
        let stale = commit::commit(self.client, &planned(&guarded(version_of(&first)?), &fence)?).await;
        let CommitOutcome::Conflict { slot: next, .. } = &stale else {
            self.tell(STEP, false, format!("a guard on a stale version did not end as a conflict: {}", outcome_word(&stale)));
            return Ok(());
        };
        let fence = self.fence_use(next.as_ref().unwrap_or(&slot));
        let current = commit::commit(self.client, &planned(&guarded(version_of(&second)?), &fence)?).await;
        let kept = Some(self.client.read(&first.reference).await?.version) == second.version;
        match current {
            CommitOutcome::Committed(_) if kept => self.tell(STEP, true, "an empty patch under If-Match holds a version"),
            CommitOutcome::Committed(_) => {
                self.tell(STEP, false, "guards hold, but each makes a new version of what it guards");
            }
            other => {
                self.tell(STEP, false, format!("a guard on the current version does not go through: {}", outcome_word(&other)))
            }
        }
        Ok(())
    }

    pub(super) async fn delete_if_match(&mut self) -> Result<(), FhirError> {
        const STEP: &str = "delete-if-match";
        let (first, _) = self.twice_written(STEP).await?;
        let slot = self.slot(STEP).await?;
        let write = Write::Delete { target: first.reference.clone(), read: version_of(&first)? };
        let effects = Effects { writes: vec![write], ..Effects::default() };
        // A server that is busy may answer a conflict of its own, and HAPI does now and then: only one that stands is a refusal.
        for _ in 0..REFUSALS {
            let fence = self.fence_use(&slot);
            let detail = match commit::commit(self.client, &planned(&effects, &fence)?).await {
                CommitOutcome::Conflict { .. } => continue,
                CommitOutcome::Committed(_) => {
                    "the server does not look at If-Match on a delete: Hob reads just before it sends, which leaves a short gap"
                        .to_owned()
                }
                other => outcome_word(&other),
            };
            self.tell(STEP, false, detail);
            return Ok(());
        }
        self.tell(STEP, true, "a delete of a version that is not current is refused");
        Ok(())
    }

    pub(super) async fn entries(&mut self) -> Result<(), FhirError> {
        const STEP: &str = "entries";
        let mut slot = self.slot(STEP).await?;
        for size in SIZES {
            let fence = self.fence_use(&slot);
            let plan = planned(&self.creates(STEP, size)?, &fence)?;
            match commit::commit(self.client, &plan).await {
                CommitOutcome::Committed(committed) => {
                    self.capabilities.transaction_entries = size + 1;
                    if let Some(moved) = committed.slot {
                        slot = moved;
                    }
                }
                other => {
                    let went = self.capabilities.transaction_entries;
                    self.tell(
                        STEP,
                        went > 2,
                        format!("{went} entries go through, {} do not: {}", size + 1, outcome_word(&other)),
                    );
                    return Ok(());
                }
            }
        }
        self.tell(STEP, true, format!("{} entries go through; more was not tried", self.capabilities.transaction_entries));
        Ok(())
    }
}

fn planned(effects: &Effects, fence: &FenceUse) -> Result<CommitPlan, FhirError> {
    plan::bundle(effects, fence).map_err(|e| FhirError::new(FhirErrorKind::Invalid, "plan", e))
}

fn version_of(stored: &Stored) -> Result<hob_model::VersionId, FhirError> {
    stored.version.clone().ok_or_else(|| FhirError::protocol("source check", "the server does not say which version it made"))
}

fn outcome_word(outcome: &CommitOutcome) -> String {
    match outcome {
        CommitOutcome::Committed(_) => "it was committed".to_owned(),
        CommitOutcome::NotAtomic { applied, failed } => {
            format!("the server ran it as a batch: {} writes were kept though {} entries failed", applied.len(), failed.len())
        }
        CommitOutcome::Conflict { error, .. }
        | CommitOutcome::Refused { error, .. }
        | CommitOutcome::NotSent { error }
        | CommitOutcome::Unknown { error } => error.to_string(),
    }
}
