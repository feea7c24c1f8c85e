//! What happened in a simulation, line by line: kept only where somebody will read it.

use std::time::Duration;

/// The lines of one simulation.
#[derive(Debug)]
pub(crate) struct Story(Option<Vec<(Duration, String)>>);

impl Story {
    /// `told` where the lines are wanted: a seed is played without them first, and again with them where it failed.
    pub(crate) fn new(told: bool) -> Self {
        Self(told.then(Vec::new))
    }

    pub(crate) fn tell(&mut self, at: Duration, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.0 {
            lines.push((at, line()));
        }
    }

    /// The lines that bear one of `words` or say that a fault struck, the last `most` of them.
    pub(crate) fn about(&self, words: &[String], most: usize) -> Vec<String> {
        let lines = self.0.as_deref().unwrap_or_default();
        let wanted = |line: &str| line.starts_with('!') || words.iter().any(|word| mentions(line, word));
        let mut found: Vec<String> = lines
            .iter()
            .filter(|(_, line)| wanted(line))
            .map(|(at, line)| format!("{:>9.3} s  {line}", at.as_secs_f64()))
            .collect();
        let left = found.len().saturating_sub(most);
        found.drain(..left);
        found
    }
}

/// Whether `line` names `word` and not something that only begins like it.
fn mentions(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| !line[at + word.len()..].starts_with(|c: char| c.is_ascii_alphanumeric()))
}
