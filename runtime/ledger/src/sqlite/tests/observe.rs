//! Observations: counted once, bounded, sealed, gone with their runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use hob_model::{RunState, Timestamp};

use super::*;
use crate::contract::Given;
use crate::{AHEAD, EXAMPLES, MISSED, Observation, Observations, Observed, PruneCursor, PruneRules, RunHead, RunSeq};

struct Site {
    _folder: tempfile::TempDir,
    path: PathBuf,
    ledger: Arc<SqliteLedger>,
    given: Given,
}

async fn site() -> Site {
    let (folder, path) = at_path("hob.db");
    let ledger = Arc::new(SqliteLedger::open(&path, master()).unwrap());
    let given = Given::deployed(Arc::clone(&ledger) as Arc<dyn Ledger>).await;
    Site { _folder: folder, path, ledger, given }
}

impl Site {
    fn observation(&self) -> Observation {
        Observation {
            tenant: self.given.tenant.clone(),
            bot: self.given.bot.clone(),
            release: self.given.release,
            source: self.given.source.clone(),
            settings: serde_json::Map::new(),
            first: false,
            began: Timestamp::from_micros(1),
            floor: RunSeq::ZERO,
            counts: BTreeMap::new(),
        }
    }

    async fn ended(&self, id: &str) -> RunHead {
        let run = self.given.pending(id).await;
        self.given.ledger.finish(self.given.epoch, &run.key, self.given.done(1)).await.unwrap();
        run
    }

    async fn unsettled(&self) -> Vec<RunSeq> {
        let found = self.ledger.unsettled(&self.given.tenant, &self.given.bot, 100).await.unwrap();
        found.into_iter().map(|(seq, _)| seq).collect()
    }

    async fn settle(&self, observed: Vec<Observed>) {
        let Given { tenant, bot, release, epoch, .. } = &self.given;
        self.ledger.settle(*epoch, tenant, bot, release, observed).await.unwrap();
    }

    async fn now(&self) -> Observation {
        self.ledger.observation(&self.given.tenant, &self.given.bot).await.unwrap().unwrap()
    }
}

fn seen(run: &RunHead, kind: &str, body: Option<&str>) -> Observed {
    let body = body.map(|body| body.as_bytes().to_vec().into());
    Observed { seq: run.seq, run: run.key.run, kind: kind.to_owned(), body }
}

#[tokio::test]
async fn a_run_that_ended_is_looked_at_once_whatever_ends_first() {
    let site = site().await;
    let before = site.ended("before").await;
    site.ledger.observe(site.given.epoch, Observation { floor: before.seq, ..site.observation() }).await.unwrap();
    let (open, first, second) = (site.given.pending("open").await, site.ended("1").await, site.ended("2").await);
    assert_eq!(site.unsettled().await, [first.seq, second.seq]);
    site.settle(vec![seen(&second, "same", None)]).await;
    assert_eq!(site.unsettled().await, [first.seq]);
    // Twice, as after a crash.
    for _ in 0..2 {
        site.settle(vec![seen(&first, "changed", Some("{}")), seen(&second, "same", None)]).await;
    }
    assert_eq!(site.now().await.counts, BTreeMap::from([("changed".to_owned(), 1), ("same".to_owned(), 1)]));
    assert!(site.now().await.floor < open.seq, "an open run is not passed over");
    site.given.ledger.finish(site.given.epoch, &open.key, site.given.done(1)).await.unwrap();
    assert_eq!(site.unsettled().await, [open.seq]);
    site.settle(vec![seen(&open, "same", None)]).await;
    assert_eq!((site.unsettled().await, site.now().await.floor), (Vec::new(), second.seq));
    // What lies below the floor stays settled, also where somebody says it again.
    site.settle(vec![seen(&second, "same", None)]).await;
    assert_eq!(site.now().await.counts["same"], 2);
}

#[tokio::test]
async fn examples_are_sealed_bounded_and_forgotten() {
    let site = site().await;
    site.ledger.observe(site.given.epoch, site.observation()).await.unwrap();
    let body = "{\"family\": \"Canary\"}";
    for n in 0..EXAMPLES + 5 {
        let run = site.ended(&format!("x{n}")).await;
        site.settle(vec![seen(&run, "changed", Some(body))]).await;
    }
    let other = site.ended("y").await;
    site.settle(vec![seen(&other, "new-failure", Some("{}"))]).await;
    let Given { tenant, bot, epoch, .. } = &site.given;
    let examples = async |kind, limit| site.ledger.examples(tenant, bot, kind, limit).await.unwrap();
    assert_eq!(examples(Some("changed"), usize::MAX).await.len(), EXAMPLES);
    assert_eq!(examples(None, 3).await.len(), 4);
    assert_eq!(examples(None, 1).await[0], body);
    assert_eq!(site.now().await.counts["changed"], u64::try_from(EXAMPLES + 5).unwrap());
    for suffix in ["", "-wal"] {
        let bytes = std::fs::read(open::beside(&site.path, suffix)).unwrap_or_default();
        assert!(!bytes.windows(6).any(|window| window == b"Canary"), "in clear in {suffix}");
    }
    // Another host on it knows all of it.
    site.ledger.close().await.unwrap();
    let again = SqliteLedger::open(&site.path, master()).unwrap();
    let all = again.all_observed(None).await.unwrap();
    assert_eq!(all.iter().map(|one| one.counts.values().sum::<u64>()).sum::<u64>(), u64::try_from(EXAMPLES + 6).unwrap());
    let epoch = again.claim().await.unwrap_or(*epoch);
    again.unobserve(epoch, tenant, bot).await.unwrap();
    assert_eq!(again.observation(tenant, bot).await.unwrap(), None);
    assert!(again.examples(tenant, bot, None, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn another_release_begins_afresh_and_the_old_ones_word_comes_too_late() {
    let site = site().await;
    site.ledger.observe(site.given.epoch, site.observation()).await.unwrap();
    let run = site.ended("1").await;
    site.settle(vec![seen(&run, "changed", Some("{}"))]).await;
    let other = hob_model::Digest::of(b"another");
    let unknown = site.ledger.observe(site.given.epoch, Observation { release: other, ..site.observation() }).await;
    assert_eq!(unknown, Err(LedgerError::NotFound { what: "release" }));
    site.ledger.observe(site.given.epoch, site.observation()).await.unwrap();
    assert!(site.now().await.counts.is_empty());
    assert_eq!(site.unsettled().await, [run.seq]);
    let Given { tenant, bot, epoch, .. } = &site.given;
    site.ledger.settle(*epoch, tenant, bot, &other, vec![seen(&run, "changed", None)]).await.unwrap();
    assert!(site.now().await.counts.is_empty());
}

#[tokio::test]
async fn a_run_that_never_ends_is_given_up_and_counted() {
    let site = site().await;
    let stuck = site.given.pending("stuck").await;
    site.ledger.observe(site.given.epoch, site.observation()).await.unwrap();
    let run = site.ended("1").await;
    // As if so many had been settled beyond it.
    let many = (1..=u64::try_from(AHEAD).unwrap()).map(|n| {
        let seq = RunSeq::new(run.seq.get() + n);
        Observed { seq, run: RunId::of_parts(&[&n.to_be_bytes()]), kind: "same".to_owned(), body: None }
    });
    site.settle(std::iter::once(seen(&run, "same", None)).chain(many).collect()).await;
    let now = site.now().await;
    assert_eq!((now.counts[MISSED], now.floor >= stuck.seq), (1, true));
}

#[tokio::test]
async fn what_was_seen_of_a_run_goes_with_it() {
    let site = site().await;
    site.ledger.observe(site.given.epoch, site.observation()).await.unwrap();
    let run = site.ended("1").await;
    site.settle(vec![seen(&run, "changed", Some("{}"))]).await;
    let later = Timestamp::from_micros(i64::MAX / 2);
    let rules = PruneRules { ended: later, dead: later };
    let pruned = site.given.ledger.prune(site.given.epoch, &rules, PruneCursor::BEGIN, 10).await.unwrap();
    assert_eq!(pruned.runs, 1);
    let Given { tenant, bot, .. } = &site.given;
    assert!(site.ledger.examples(tenant, bot, None, 9).await.unwrap().is_empty());
    assert_eq!(site.now().await.counts["changed"], 1, "the count stays");
    assert_eq!(site.given.ledger.run_counts(tenant, None).await.unwrap().get(&RunState::Done), None);
}
