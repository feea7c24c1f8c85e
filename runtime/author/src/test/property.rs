//! Properties: a case in many variations.

use hob_cases::{Case, Happening, Mutation, Property, Vary, mutations, shuffled};
use hob_host::local::{BenchBot, LocalOutcome};
use hob_model::{FailureKind, Interaction};
use rand::RngExt as _;
use serde_json::Value;

use super::{SEED, Verdict};
use crate::AuthorError;
use crate::stage::{Stage, broken};

/// A property that held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Which.
    pub vary: &'static str,
    /// Variations that were played.
    pub runs: u32,
    /// Of those, the ones that did not start the bot.
    pub not_started: u32,
    /// The first one's seed.
    pub seed: u64,
}

pub(super) enum Broke {
    /// It does not hold.
    Here(Box<Verdict>),
    /// The case cannot be played so.
    Case(AuthorError),
}

impl From<AuthorError> for Broke {
    fn from(error: AuthorError) -> Self {
        Self::Case(error)
    }
}

/// Plays all variations; ends at the first that does not hold.
pub(super) async fn check(case: &Case, property: &Property, bot: &BenchBot) -> Result<Vec<Held>, Broke> {
    // Short enough to be typed again.
    let seed = property.seed.unwrap_or_else(|| u64::from(rand::rng().random::<u16>()));
    let mut held = Vec::new();
    for vary in &property.vary {
        held.push(match vary {
            Vary::GivenOrder => in_other_orders(case, property.runs, seed, bot).await?,
            Vary::Again => again(case, bot).await?,
            Vary::Fields => with_other_fields(case, property.runs, seed, bot).await?,
        });
    }
    Ok(held)
}

async fn in_other_orders(case: &Case, runs: u32, seed: u64, bot: &BenchBot) -> Result<Held, Broke> {
    let vary = Vary::GivenOrder.as_str();
    let expect = case.expect.clone().unwrap_or_default();
    for run in 0..u64::from(runs) {
        let seed = seed.wrapping_add(run);
        let given = shuffled(&case.given, seed);
        let played = super::play(case, &given, bot).await?;
        let differs = hob_cases::compare(&expect, &played.document).map_err(broken)?;
        if let Some((expected, actual)) = differs {
            let order: Vec<&str> = given.iter().filter_map(|one| one["id"].as_str()).collect();
            let why = format!("expected {expected:#}\nand it is {actual:#}");
            return Err(Broke::Here(Box::new(Verdict::Property {
                vary,
                seed,
                varied: format!("given in the order {}", order.join(", ")),
                why,
            })));
        }
    }
    Ok(Held { vary, runs, not_started: 0, seed })
}

async fn again(case: &Case, bot: &BenchBot) -> Result<Held, Broke> {
    let vary = Vary::Again.as_str();
    let broke = |why: String| {
        let varied = "the event comes again, and what the bot wrote is on the server".to_owned();
        Err(Broke::Here(Box::new(Verdict::Property { vary, seed: SEED, varied, why })))
    };
    let stage = Stage::set(case, &case.given)?;
    let event = stage.event(case)?;
    let mut first = stage.play(bot, case, event.clone(), SEED).await?;
    let Some(outcome) = &mut first.outcome else { return Err(broken("property: the event does not start the bot").into()) };
    stage.commit(outcome).await?;
    // As in service: an event whose resource moved on comes with the resource as it is now.
    let next = match &case.event {
        Happening::Change(it) if it.change != Interaction::Delete => stage.change(&it.resource, None, it.change)?,
        _ => event,
    };
    let second = stage.play(bot, case, next, SEED).await?;
    let not_started = u32::from(second.outcome.is_none());
    if let Some(outcome) = &second.outcome {
        if let Err(failure) = &outcome.result {
            return broke(format!("the second run fails: {}: {}", failure.code, failure.message));
        }
        let (writes, sent) = (&second.document["writes"], &second.document["outbox"]);
        let none = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
        if !none(writes) || !none(sent) {
            return broke(format!(
                "the second run should write and send nothing, and has writes {writes:#} and outbox {sent}\n\
                 a create can be made safe by if-none-exist, an update by looking first whether there is anything to change"
            ));
        }
    }
    Ok(Held { vary, runs: 1, not_started, seed: SEED })
}

async fn with_other_fields(case: &Case, runs: u32, seed: u64, bot: &BenchBot) -> Result<Held, Broke> {
    let vary = Vary::Fields.as_str();
    let whole = subject(case)?;
    let mut not_started = 0;
    for run in 0..u64::from(runs) {
        let seed = seed.wrapping_add(run);
        let all = mutations(&whole, seed);
        let Some(why) = trouble(case, &whole, &all, bot, &mut not_started).await? else { continue };
        // The smallest that shows it: one change alone, where one is enough.
        let (mut shown, mut why) = (all.clone(), why);
        for one in &all {
            if let Some(single) = trouble(case, &whole, std::slice::from_ref(one), bot, &mut 0).await? {
                (shown, why) = (vec![one.clone()], single);
                break;
            }
        }
        let varied: Vec<String> = shown.iter().map(ToString::to_string).collect();
        return Err(Broke::Here(Box::new(Verdict::Property { vary, seed, varied: varied.join("; "), why })));
    }
    Ok(Held { vary, runs, not_started, seed })
}

/// What is varied: the event's resource, or its payload.
fn subject(case: &Case) -> Result<Value, AuthorError> {
    Ok(match &case.event {
        Happening::Change(it) => {
            let last = case.given.iter().rposition(|one| names(one, &it.resource));
            let at = last.ok_or_else(|| broken(format!("event: {} is not among the given resources", it.resource)))?;
            case.given[at].clone()
        }
        Happening::Timer(it) => it.payload.clone(),
        Happening::Invoke(it) => it.invoke.clone(),
        Happening::Reply(it) => it.body.clone(),
        Happening::Cron(_) => return Err(broken("property: cron has no fields that could be varied")),
    })
}

fn names(resource: &Value, reference: &str) -> bool {
    reference.split_once('/').is_some_and(|(kind, id)| resource["resourceType"] == kind && resource["id"] == id)
}

/// What is wrong with the run on these changes, if anything.
async fn trouble(
    case: &Case,
    whole: &Value,
    changes: &[Mutation],
    bot: &BenchBot,
    not_started: &mut u32,
) -> Result<Option<String>, AuthorError> {
    let mut changed = whole.clone();
    changes.iter().for_each(|one| one.apply(&mut changed));
    let mut case = case.clone();
    match &mut case.event {
        Happening::Change(it) => {
            if let Some(at) = case.given.iter().rposition(|one| names(one, &it.resource)) {
                case.given[at] = changed;
            }
        }
        Happening::Timer(it) => it.payload = changed,
        Happening::Invoke(it) => it.invoke = changed,
        Happening::Reply(it) => it.body = changed,
        Happening::Cron(_) => {}
    }
    case.answers.clear();
    // A server that refuses such a resource never tells of it.
    let Ok(played) = super::play(&case, &case.given, bot).await else { return Ok(None) };
    if played.outcome.is_none() {
        *not_started += 1;
    }
    Ok(played.outcome.as_ref().and_then(crash))
}

/// The failure, where it is not an answer that a bot may give.
fn crash(outcome: &LocalOutcome) -> Option<String> {
    let failure = outcome.result.as_ref().err()?;
    let of_the_sandbox = failure.code == "trap" || failure.code.starts_with("limit-") || failure.kind == FailureKind::Fatal;
    let log: Vec<&str> = outcome.journal.log.iter().rev().take(3).map(|line| line.text.as_str()).collect();
    let log: String = log.iter().rev().map(|line| format!("\nlog: {line}")).collect();
    of_the_sandbox.then(|| format!("{}: {}{log}", failure.code, failure.message))
}
