//! What happened, line by line, for whoever must find out why; and the figures of the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::verdict::Verdict;

/// A run's story, kept in a file as it goes.
pub(crate) struct Story {
    file: File,
    /// How often a host died where.
    pub(crate) kills: BTreeMap<String, u32>,
    /// From the start of a process to its being ready.
    pub(crate) restarts: Vec<Duration>,
}

impl Story {
    pub(crate) fn new(folder: &Path) -> Result<Self, String> {
        let path = folder.join("story.txt");
        let file = File::create(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self { file, kills: BTreeMap::new(), restarts: Vec::new() })
    }

    /// One more line.
    pub(crate) fn tell(&mut self, line: &str) -> Result<(), String> {
        writeln!(self.file, "{line}").map_err(|e| format!("story.txt: {e}"))
    }
}

/// The end of a run.
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    pub(crate) changes: u64,
    pub(crate) dropped: u64,
    pub(crate) repeats: u64,
    pub(crate) dead: usize,
    pub(crate) took: Duration,
    pub(crate) kills: BTreeMap<String, u32>,
    pub(crate) restarts: Vec<Duration>,
    pub(crate) verdict: Verdict,
}

impl Outcome {
    /// Nothing lost, nothing doubled, in order, and nothing given up.
    pub(crate) fn is_clean(&self) -> bool {
        self.verdict.is_clean() && self.dead == 0
    }

    fn kills(&self) -> u32 {
        self.kills.values().sum()
    }

    /// The `share` quantile of the restarts, in milliseconds.
    fn restart(&self, share: usize) -> u128 {
        let mut sorted = self.restarts.clone();
        sorted.sort();
        let index = (sorted.len() * share / 100).min(sorted.len().saturating_sub(1));
        sorted.get(index).map_or(0, Duration::as_millis)
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "seed": self.seed,
            "kills": self.kills(),
            "kills_by_point": self.kills,
            "changes": self.changes,
            "versions": self.verdict.versions,
            "wanted": self.verdict.wanted,
            "lost": self.verdict.lost.len(),
            "doubled": self.verdict.doubled.len(),
            "inversions": self.verdict.inverted.len(),
            "dead": self.dead,
            "notifications_dropped": self.dropped,
            "outbox_repeats": self.repeats,
            "restart_ms": {"median": self.restart(50), "p99": self.restart(99), "max": self.restart(100)},
            "seconds": self.took.as_secs(),
        })
    }

    pub(crate) fn table(&self) -> String {
        let mut table = String::from("where the host died        times\n");
        for (place, times) in &self.kills {
            let _ = writeln!(table, "  {place:<24} {times:>5}");
        }
        let verdict = &self.verdict;
        for (what, figure) in [
            ("kills", u64::from(self.kills())),
            ("changes by others", self.changes),
            ("versions of patients", verdict.versions as u64),
            ("effects that must be", verdict.wanted as u64),
            ("lost", verdict.lost.len() as u64),
            ("doubled", verdict.doubled.len() as u64),
            ("inversions", verdict.inverted.len() as u64),
            ("dead letters", self.dead as u64),
            ("notifications dropped", self.dropped),
            ("outbox requests repeated", self.repeats),
        ] {
            let _ = writeln!(table, "{what:<26} {figure:>5}");
        }
        let _ = writeln!(
            table,
            "restart, ms                median {}, p99 {}, max {}",
            self.restart(50),
            self.restart(99),
            self.restart(100)
        );
        let _ = write!(table, "took                       {} s, seed {}", self.took.as_secs(), self.seed);
        table
    }
}
