//! A trial on many recorded runs, several at once. Runs are read from the ledger as they are tried, so that memory holds those that are under way alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt as _;
use hob_ledger::{Ledger, LedgerError, RunFilter, RunKey};
use hob_model::{BotName, RunId, TenantId, Timestamp};
use serde_json::{Value, json};

use super::{Compared, Group, Skipped, Trial};

/// Rows of a page of runs.
const PAGE: usize = 1_000;
/// The most runs of one trial: their names are in memory.
pub(crate) const MOST: usize = 1_000_000;

/// Which runs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    /// So many, spread evenly over all.
    pub(crate) sample: Option<usize>,
}

/// The runs of a bot that have ended, oldest first, with how many there were before the sample was taken.
pub(crate) async fn choose(
    ledger: &dyn Ledger,
    tenant: &TenantId,
    bot: &BotName,
    span: Span,
) -> Result<(Vec<RunId>, usize), LedgerError> {
    let mut filter = RunFilter { bot: Some(bot.clone()), since: span.since, limit: PAGE, ..RunFilter::default() };
    let mut all = Vec::new();
    loop {
        let rows = ledger.runs(tenant, &filter).await?;
        let Some(last) = rows.last() else { break };
        filter.before = Some(last.seq);
        let wanted = rows.iter().filter(|row| !row.state.is_open() && span.until.is_none_or(|until| row.received < until));
        all.extend(wanted.map(|row| row.run));
        if rows.len() < PAGE || all.len() >= MOST {
            break;
        }
    }
    all.reverse();
    let found = all.len();
    Ok((spread(all, span.sample), found))
}

/// `sample` of these, evenly.
fn spread<T: Copy>(all: Vec<T>, sample: Option<usize>) -> Vec<T> {
    match sample {
        Some(sample) if sample < all.len() => (0..sample).filter_map(|n| all.get(n * all.len() / sample).copied()).collect(),
        _ => all,
    }
}

/// How a trial stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) groups: BTreeMap<Group, u64>,
    pub(crate) skipped: BTreeMap<Skipped, u64>,
    /// Questions that were put to the source.
    pub(crate) asked: u64,
}

impl Tally {
    pub(crate) fn looked(&self) -> u64 {
        self.groups.values().sum::<u64>() + self.skipped.values().sum::<u64>()
    }

    pub(crate) fn count(&mut self, tried: &Result<Compared, Skipped>) {
        match tried {
            Ok(compared) => {
                *self.groups.entry(compared.group).or_default() += 1;
                self.asked += u64::try_from(compared.asked).unwrap_or(u64::MAX);
            }
            Err(skipped) => *self.skipped.entry(*skipped).or_default() += 1,
        }
    }

    /// Every group, also those with nothing in them.
    pub(crate) fn groups_json(groups: &BTreeMap<Group, u64>) -> Value {
        let count = |group: Group| (group.as_str().to_owned(), json!(groups.get(&group).copied().unwrap_or_default()));
        Value::Object(Group::ALL.into_iter().map(count).collect())
    }

    pub(crate) fn skipped_json(&self) -> Value {
        Value::Object(self.skipped.iter().map(|(why, count)| (why.as_str().to_owned(), json!(count))).collect())
    }
}

/// Tries the release on each of these, `workers` at once, and gives what came of each in their order. `told` says whether to go on.
pub(crate) async fn run<F>(
    ledger: &Arc<dyn Ledger>,
    tenant: &TenantId,
    trial: &Arc<Trial>,
    chosen: Vec<RunId>,
    workers: usize,
    mut told: impl FnMut(Result<Compared, Skipped>, &Tally) -> F,
) -> Result<Tally, LedgerError>
where
    F: Future<Output = bool>,
{
    let mut tally = Tally::default();
    // Each on a task of its own: the runtime's threads share them.
    let mut tried = futures::stream::iter(chosen)
        .map(|run| {
            let (ledger, trial) = (Arc::clone(ledger), Arc::clone(trial));
            let key = RunKey { tenant: tenant.clone(), run };
            async move { Task(tokio::spawn(async move { one(&*ledger, &trial, &key).await })).ended().await }
        })
        .buffered(workers.max(1));
    while let Some(tried) = tried.next().await {
        let Some(tried) = tried? else { continue };
        tally.count(&tried);
        if !told(tried, &tally).await {
            break;
        }
    }
    Ok(tally)
}

/// One run. `None` where it was pruned meanwhile.
pub(crate) async fn one(
    ledger: &dyn Ledger,
    trial: &Trial,
    key: &RunKey,
) -> Result<Option<Result<Compared, Skipped>>, LedgerError> {
    match ledger.show(key).await {
        Ok(detail) => Ok(Some(trial.on(&detail).await)),
        Err(LedgerError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A task that ends with whoever waits for it.
struct Task<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> Task<Result<T, LedgerError>> {
    async fn ended(mut self) -> Result<T, LedgerError> {
        (&mut self.0).await.unwrap_or(Err(LedgerError::Closed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_all() {
        assert_eq!(spread((0..10).collect(), Some(4)), [0, 2, 5, 7]);
        assert_eq!(spread((0..3).collect(), Some(4)), [0, 1, 2]);
        assert_eq!(spread((0..3).collect(), None), [0, 1, 2]);
        assert!(spread((0..3).collect(), Some(0)).is_empty());
    }
}
