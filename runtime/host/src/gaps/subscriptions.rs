//! Looking after Hob's own Subscriptions: one that a bot needs and that does not post any more is made to post again.
//!
//! Servers give a Subscription up after failures, people switch it off or delete it, and nothing tells Hob of that but silence. Whatever such a
//! Subscription did not send is found by the sweep that follows.

use std::sync::Arc;

use hob_fhir::subscriptions::{self, Dialect, Found};
use hob_fhir::{FhirError, FhirErrorKind};
use hob_ledger::{Subscription, SubscriptionStatus};
use hob_model::{Interaction, Trigger};

use super::Swept;
use crate::bots::LiveBot;
use crate::core::Core;
use crate::deploy;
use crate::resolve::Unresolved;
use crate::sources::SourceEntry;

/// Looks at every Subscription of the source that a bot in service needs. One that was made by hand is only listened to.
pub(super) async fn care(core: &Arc<Core>, entry: &SourceEntry, swept: &mut Swept) -> Result<(), Unresolved> {
    let source = &entry.source;
    let rows = core.ledger.subscriptions(&source.tenant, Some(&source.id)).await.map_err(|_| Unresolved::Ledger)?;
    let mut failed = None;
    for row in rows {
        let (key, bot) = (row.key.clone(), row.bot.clone());
        if let Err(error) = one(core, entry, row, swept).await {
            tracing::warn!(tenant = %source.tenant, source = %source.id, %bot, %error, "a Subscription could not be looked after");
            if error.is_transient() {
                return Err(Unresolved::Unread(Box::new(error)));
            }
            // A server that does not let Hob see or change Subscriptions can still be swept.
            swept.mended.push(format!("the Subscription {key} could not be looked after: {error}"));
            failed = Some(error);
        }
    }
    if failed.is_some() {
        tracing::debug!(tenant = %source.tenant, source = %source.id, "not all Subscriptions could be looked after");
    }
    Ok(())
}

async fn one(core: &Arc<Core>, entry: &SourceEntry, row: Subscription, swept: &mut Swept) -> Result<(), FhirError> {
    // No bot goes in or out of service meanwhile: what Hob itself sets off is not set on again.
    let gate = entry.deploying.read().await;
    let Some(bot) = core.bots.get(&row.tenant, &row.bot).filter(|bot| bot.source == entry.source.id) else { return Ok(()) };
    let Some(Trigger::Change { criteria, interactions, .. }) = bot.manifest.on.get(row.trigger as usize) else { return Ok(()) };
    if *criteria != row.criteria {
        return Ok(());
    }
    let Ok(endpoint) = deploy::endpoint(core, entry, &row.key) else { return Ok(()) };
    let found = subscriptions::look(&entry.client, &endpoint).await?;
    if let Some(period) = found.iter().filter_map(|found| found.heartbeat).min() {
        swept.promises.insert(row.key.clone(), period);
    }
    let deletes = interactions.contains(&Interaction::Delete);
    match wrong(entry, &row, &found, deletes).await? {
        Some(what) => mend(core, entry, &bot, row, (criteria, deletes), &what, swept).await?,
        None => {
            let status = found.iter().find(|found| Some(&found.reference) == row.reference.as_ref()).map(|found| &found.status);
            if let Some(status) = status.and_then(|status| status.parse().ok()).filter(|status| *status != row.status) {
                keep(core, Subscription { status, ..row }).await;
            }
        }
    }
    drop(gate);
    Ok(())
}

/// What is wrong with a Subscription that Hob made.
async fn wrong(entry: &SourceEntry, row: &Subscription, found: &[Found], deletes: bool) -> Result<Option<String>, FhirError> {
    let Some(reference) = &row.reference else { return Ok(None) };
    let silent = |found: &&Found| matches!(found.status.as_str(), "off" | "error");
    let needed = |found: &&Found| found.reference == *reference || (deletes && found.only_deletes);
    if let Some(found) = found.iter().filter(needed).find(silent) {
        return Ok(Some(format!("{} was {}", found.reference, found.status)));
    }
    if found.iter().any(|found| found.reference == *reference) {
        return Ok(None);
    }
    // The search did not show it: gone, or only not indexed yet?
    match entry.client.read(reference).await {
        Ok(_) => Ok(None),
        Err(error) if matches!(error.kind, FhirErrorKind::NotFound | FhirErrorKind::Gone) => {
            Ok(Some(format!("{reference} was deleted")))
        }
        Err(error) => Err(error),
    }
}

async fn mend(
    core: &Arc<Core>,
    entry: &SourceEntry,
    bot: &LiveBot,
    mut row: Subscription,
    (criteria, deletes): (&str, bool),
    what: &str,
    swept: &mut Swept,
) -> Result<(), FhirError> {
    let source = &entry.source;
    let dialect = Dialect::of(&entry.client.capability_statement().await?);
    let Ok(wanted) = deploy::wanted(core, entry, &row.key, criteria, deletes, dialect, &bot.name) else { return Ok(()) };
    let ensured = subscriptions::ensure(&entry.client, &wanted).await?;
    if let Some(first) = ensured.first() {
        row.reference = Some(first.reference.clone());
        row.status = first.status.parse().unwrap_or(SubscriptionStatus::Requested);
    }
    // What comes before it posts again is found by the sweep that follows, what comes after is posted: so it must post first.
    deploy::until_active(core, entry, &mut row).await;
    tracing::warn!(
        tenant = %source.tenant, source = %source.id, bot = %bot.name, subscription = %row.key, status = %row.status, what,
        "a Subscription did not post: it was made to post again"
    );
    swept.mended.push(format!("{what}; {} is {} now", row.key, row.status));
    keep(core, row).await;
    Ok(())
}

async fn keep(core: &Core, row: Subscription) {
    // What it says can be read from the server again: a failure costs nothing.
    if let Err(error) = core.ledger.put_subscription(core.epoch, row).await {
        tracing::error!(%error, "how a Subscription stands could not be kept");
    }
}
