//! Least privilege by trial: each letter of each scope is taken away, and the cases are played again. What changes nothing is not needed.
//!
//! That is exact where reading a bot's calls is not: a search is narrowed to what scopes cover, two scopes may cover the same, and a scope for one patient means another
//! thing for each event.

use hob_cases::CaseFile;
use hob_host::local::BenchBot;
use hob_model::{Interactions, Manifest};
use serde_json::Value;

use crate::{AuthorError, test};

/// What of a manifest's scopes its cases need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Privilege {
    /// Whether there was anything to judge by: cases that start the bot.
    pub is_judged: bool,
    /// The scopes, in the manifest's order.
    pub scopes: Vec<Kept>,
}

/// What of a scope is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// As the manifest has it.
    pub scope: String,
    /// Letters that no case needs.
    pub unneeded: String,
    /// The scope with what is needed alone; none where nothing is.
    pub instead: Option<String>,
}

/// Finds out which letters are needed.
pub(super) async fn least(
    manifest: &Manifest,
    cases: &[CaseFile],
    prepare: &dyn Fn(&Manifest) -> Result<BenchBot, AuthorError>,
) -> Result<Privilege, AuthorError> {
    let whole = outcomes(&prepare(manifest)?, cases).await;
    let is_judged = whole.iter().flatten().any(|outcome| outcome.get("started").is_none());
    let mut least = manifest.clone();
    let mut scopes = Vec::new();
    for at in 0..manifest.scopes.len() {
        let mut unneeded = String::new();
        for letter in letters(manifest.scopes[at].interactions).chars().filter(|_| is_judged) {
            let mut tried = least.clone();
            set(&mut tried.scopes[at].interactions, letter, false);
            if outcomes(&prepare(&tried)?, cases).await == whole {
                unneeded.push(letter);
                least = tried;
            }
        }
        let left = &least.scopes[at];
        let instead = (left.interactions != Interactions::default()).then(|| left.to_string());
        scopes.push(Kept { scope: manifest.scopes[at].to_string(), unneeded, instead });
    }
    Ok(Privilege { is_judged, scopes })
}

/// What comes of each case; none for one that cannot be played.
async fn outcomes(bot: &BenchBot, cases: &[CaseFile]) -> Vec<Option<Value>> {
    let mut outcomes = Vec::with_capacity(cases.len());
    for file in cases {
        outcomes.push(test::play(&file.case, &file.case.given, bot).await.ok().map(|played| played.document));
    }
    outcomes
}

fn letters(it: Interactions) -> String {
    let letters = [(it.create, 'c'), (it.read, 'r'), (it.update, 'u'), (it.delete, 'd'), (it.search, 's')];
    letters.into_iter().filter_map(|(on, letter)| on.then_some(letter)).collect()
}

fn set(it: &mut Interactions, letter: char, on: bool) {
    match letter {
        'c' => it.create = on,
        'r' => it.read = on,
        'u' => it.update = on,
        'd' => it.delete = on,
        _ => it.search = on,
    }
}
