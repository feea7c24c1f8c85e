//! Runs a bot's cases: what is on the server, what happens, and everything that the bot then writes.
//!
//! **Goal.** A case is a file that a clinician can review: given resources, an event, and the resources written, whole. It is run natively, so a
//! bot's cases take milliseconds, but on the bot's own `bot.toml`: its criteria decide whether the event starts it, its defaults are the
//! settings, and its scopes are held to on every call. A scope that no case needs is a failure too: a manifest asks for no more than
//! is used.
//!
//! **Trade-off.** The server is a list of resources: searches are judged by `hob-search`, every page has two entries, commits never conflict. What a
//! real server and the sandbox do is tested end to end elsewhere.
//!
//! A bot's test is one line:
//!
//! ```ignore
//! case_runner::run(env!("CARGO_MANIFEST_DIR"), handle)
//! ```
//!
//! `UPDATE_CASES=1` writes what happened into the files as expected: look at the diff. The format is that of `hob_cases`, so that `hob test` plays the
//! same files on the component.

mod event;
mod scopes;
mod stage;

use std::path::Path;
use std::rc::Rc;

use hob_cases::{Case, CaseFile, Happened};
use hob_model::{Filter, Manifest, Trigger};
use hob_sdk::{Error, Event, Host, Outcome};
use hob_search::{Criteria, When};
use serde_json::Value;

use crate::scopes::Scopes;
use crate::stage::Stage;

/// A bot's function.
pub type Handle = fn(Event, &dyn Host) -> Result<Outcome, Error>;

/// Runs every `cases/*.json` of a bot's folder; answers how many there are.
///
/// # Errors
/// Each case that came out otherwise, with expected and actual; files that cannot be read; scopes that no case used.
pub fn run(folder: &str, handle: Handle) -> Result<usize, String> {
    let folder = Path::new(folder);
    let manifest = Manifest::parse(&text(&folder.join("bot.toml"))?, "bot.toml").map_err(|why| why.to_string())?;
    let scopes = Rc::new(Scopes::compile(&manifest)?);
    let update = std::env::var_os("UPDATE_CASES").is_some();
    let files = hob_cases::list(&folder.join("cases")).map_err(|why| why.to_string())?;
    let mut wrong = Vec::new();
    for path in &files {
        let failed = |why: String| format!("{}: {why}", path.display());
        let file = CaseFile::read(path).map_err(|why| why.to_string())?;
        let actual = play(&file.case, &manifest, &scopes, handle).map_err(failed)?;
        let expect = file.case.expect.clone().unwrap_or_default();
        let differs = if expect.is_null() {
            Some((expect, actual.clone()))
        } else {
            hob_cases::compare(&expect, &actual).map_err(|why| failed(why.to_string()))?
        };
        let Some((expected, seen)) = differs else { continue };
        if update {
            file.write(hob_cases::updated(file.case.expect.as_ref(), actual)).map_err(|why| why.to_string())?;
        } else {
            wrong.push(format!("{}: {}\nexpected {expected:#}\nactual {seen:#}", path.display(), file.case.title));
        }
    }
    if let Some(unused) = scopes.unused() {
        wrong.push(format!("bot.toml: no case uses {unused}: take it out, or add the case that needs it"));
    }
    if wrong.is_empty() { Ok(files.len()) } else { Err(wrong.join("\n\n")) }
}

/// Plays a case: what the bot read, wrote and set, or that it was not started.
fn play(case: &Case, manifest: &Manifest, scopes: &Rc<Scopes>, handle: Handle) -> Result<Value, String> {
    let stage = Stage::set(case, manifest, Rc::clone(scopes))?;
    let event = event::event(case, &stage)?;
    if !starts(manifest, &event)? {
        return Ok(Happened::not_started());
    }
    let answer = handle(event, &stage);
    stage.outcome(answer)
}

/// Whether a trigger of the manifest wants the event.
fn starts(manifest: &Manifest, event: &Event) -> Result<bool, String> {
    for trigger in &manifest.on {
        let wanted = match (trigger, &event.trigger) {
            (Trigger::Timer, hob_sdk::Trigger::Timer { .. })
            | (Trigger::Invoke, hob_sdk::Trigger::Invoke { .. })
            | (Trigger::Reply, hob_sdk::Trigger::Reply { .. }) => true,
            (Trigger::Cron { schedule, .. }, hob_sdk::Trigger::Cron { schedule: due, .. }) => schedule == due,
            (Trigger::Change { criteria, interactions, when, .. }, hob_sdk::Trigger::Change { interaction, .. }) => {
                let criteria = Criteria::parse(criteria).map_err(|why| why.to_string())?;
                let resource = event.resource.as_ref().ok_or("a change needs its resource")?;
                let mut wanted = interactions.iter().any(|one| one.to_string() == *interaction) && criteria.matches(resource);
                for filter in when {
                    let Filter::JsonPath(path) = filter else { return Err("cases judge `when` by jsonpath only".to_owned()) };
                    wanted &= When::json_path(path).map_err(|why| why.to_string())?.matches(resource);
                }
                wanted
            }
            _ => false,
        };
        if wanted {
            return Ok(true);
        }
    }
    Ok(false)
}

fn text(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()))
}
