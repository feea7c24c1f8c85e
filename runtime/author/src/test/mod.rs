//! `hob test`: a bot's cases on its component.

mod coverage;
mod junit;
mod property;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use hob_cases::{Case, CaseFile};
use hob_host::local::BenchBot;
use hob_model::{Call, Clock, Failure, FailureKind, LogLine};
use serde_json::Value;

use crate::stage::{Aim, Played, Stage, denial, engine};
use crate::transport::InMemory;
use crate::{AuthorError, Project};

pub use coverage::Covered;
pub use junit::junit;
pub use property::Held;

/// The seed of a case's own run: a bot sees the same chance each time.
const SEED: u64 = 1;

/// What is to be tested, and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only cases whose file's name or title has this in it.
    pub filter: Option<String>,
    /// Write what happened into the files as expected.
    pub update: bool,
}

/// What came of all cases.
#[derive(Debug)]
pub struct Report {
    /// The bot.
    pub bot: String,
    /// Case by case, in the order of their files.
    pub cases: Vec<CaseReport>,
    /// Trigger by trigger, in the manifest's order.
    pub coverage: Vec<Covered>,
    /// From start to end.
    pub took: Duration,
}

/// What came of a case.
#[derive(Debug)]
pub struct CaseReport {
    /// Its file.
    pub file: PathBuf,
    /// Its file's name without the extension.
    pub name: String,
    /// Its title; empty where the file cannot be read.
    pub title: String,
    /// Whether it came out as expected.
    pub verdict: Verdict,
    /// What the bot logged.
    pub log: Vec<LogLine>,
    /// Properties that held.
    pub held: Vec<Held>,
    /// From start to end.
    pub took: Duration,
}

/// Whether a case came out as expected.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It did.
    Passed,
    /// It did not, and the file says now what happened.
    Updated {
        /// What was expected.
        expected: Value,
        /// What happened.
        actual: Value,
    },
    /// It did not.
    Differs {
        /// What was expected.
        expected: Value,
        /// What happened.
        actual: Value,
        /// What to do, where there is more to say than that.
        hint: Option<String>,
    },
    /// It ended by a failure that the bot did not choose and nobody expected: an exception, a crash, a limit, a scope. That is no result to keep.
    WentWrong {
        /// What was expected.
        expected: Value,
        /// What happened.
        actual: Value,
        /// What to do.
        hint: String,
    },
    /// A variation did not hold.
    Property {
        /// Which kind.
        vary: &'static str,
        /// Plays it again as the only one.
        seed: u64,
        /// What was varied.
        varied: String,
        /// What came of it.
        why: String,
    },
    /// The case cannot be played.
    Broken {
        /// Why.
        why: String,
    },
}

impl Report {
    /// Cases that did not come out as expected.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.cases.iter().filter(|case| !case.verdict.is_good()).count()
    }
}

impl Verdict {
    /// Whether the case is as it should be.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        matches!(self, Self::Passed | Self::Updated { .. })
    }
}

/// Plays the cases of a project.
///
/// # Errors
/// Where there are none to be played, or their folder cannot be read. What is wrong with a single case is in the report.
pub async fn run(project: &Project, bot: &BenchBot, options: &Options, clock: &dyn Clock) -> Result<Report, AuthorError> {
    let began = clock.now();
    let mut counts = coverage::Counts::of(bot.manifest());
    let mut cases = Vec::new();
    for path in files(&project.cases())? {
        let file = CaseFile::read(&path);
        let text = |file: &CaseFile| format!("{} {}", file.name(), file.case.title);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let wanted = options.filter.as_ref().is_none_or(|filter| match &file {
            Ok(file) => text(file).contains(filter.as_str()),
            Err(_) => stem.contains(filter.as_str()),
        });
        if !wanted {
            continue;
        }
        let at = clock.now();
        let mut report = match file {
            Ok(file) => one(&file, bot, options, &mut counts).await,
            Err(error) => CaseReport::broken(&path, stem, error.why),
        };
        report.took = clock.now().since(at);
        cases.push(report);
    }
    Ok(Report {
        bot: project.manifest.name.to_string(),
        cases,
        coverage: counts.covered(bot.manifest()),
        took: clock.now().since(began),
    })
}

/// The files of a folder of cases.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, AuthorError> {
    hob_cases::list(folder).map_err(|error| {
        AuthorError::new(crate::error::Fault::File, "file-unreadable", error.why, "check the folder and its permissions")
            .at(error.file.display())
    })
}

async fn one(file: &CaseFile, bot: &BenchBot, options: &Options, counts: &mut coverage::Counts) -> CaseReport {
    let mut report = CaseReport::broken(&file.path, file.name(), String::new());
    report.title.clone_from(&file.case.title);
    let played = match play(&file.case, &file.case.given, bot).await {
        Ok(played) => played,
        Err(error) => {
            report.verdict = Verdict::Broken { why: error.message };
            return report;
        }
    };
    counts.count(&played, &file.case.event);
    if let Some(outcome) = &played.outcome {
        report.log.clone_from(&outcome.journal.log);
    }
    report.verdict = judge(file, &played, options.update);
    if report.verdict == Verdict::Passed
        && let Some(property) = &file.case.property
    {
        match property::check(&file.case, property, bot).await {
            Ok(held) => report.held = held,
            Err(property::Broke::Here(verdict)) => report.verdict = *verdict,
            Err(property::Broke::Case(error)) => report.verdict = Verdict::Broken { why: error.message },
        }
    }
    report
}

/// Plays a case on its own given resources, or on others.
pub(crate) async fn play(case: &Case, given: &[Value], bot: &BenchBot) -> Result<Played, AuthorError> {
    let stage = Stage::set(case, given)?;
    let event = stage.event(case)?;
    stage.play(bot, case, event, SEED).await
}

fn judge(file: &CaseFile, played: &Played, update: bool) -> Verdict {
    let expect = file.case.expect.as_ref().filter(|expect| !expect.is_null());
    let (expected, actual) = match expect.map(|expect| hob_cases::compare(expect, &played.document)) {
        None => (Value::Null, played.document.clone()),
        Some(Ok(None)) => return Verdict::Passed,
        Some(Ok(Some(differs))) => differs,
        Some(Err(why)) if !update => return Verdict::Broken { why: why.to_string() },
        Some(Err(_)) => (expect.cloned().unwrap_or_default(), played.document.clone()),
    };
    // A case may be about such a failure: then what else came of it counts.
    let is_expected = expect.is_none() || expected["failure"] == actual["failure"];
    if went_wrong(played) && !is_expected {
        let hint = advice(played).unwrap_or_else(|| "mend the bot: its log says more".to_owned());
        return Verdict::WentWrong { expected, actual, hint };
    }
    if !update {
        let hint = match expect {
            None => Some(
                "the case has no `expect` yet: `hob test --update` writes what happened; read it before you keep it".to_owned(),
            ),
            Some(_) => advice(played),
        };
        return Verdict::Differs { expected, actual, hint };
    }
    match file.write(hob_cases::updated(expect, played.document.clone())) {
        Ok(()) => Verdict::Updated { expected, actual },
        Err(error) => Verdict::Broken { why: error.why },
    }
}

/// Whether a run ended by a failure that the bot did not choose: an exception, a crash, a limit, a scope.
fn went_wrong(played: &Played) -> bool {
    let failure = played.outcome.as_ref().and_then(|outcome| outcome.result.as_ref().err());
    failure.is_some_and(|it| {
        it.kind == FailureKind::Fatal || ["exception", "trap"].contains(&it.code.as_str()) || it.code.starts_with("limit-")
    })
}

/// What to do about a failure that has a known cause. `calls` are those of the run.
pub(crate) fn hint(failure: &Failure, calls: &[Call]) -> Option<String> {
    // Service builds have no lines; the author's do, and the message then names a file.
    let is_placed = failure.message.contains("; in ") && !failure.message.contains(".rs:");
    let line = if is_placed { " (`hob dev` names the line)" } else { "" };
    match (failure.kind, failure.code.as_str()) {
        (FailureKind::Fatal, "scope") => {
            let named = failure.message.split_whitespace().find(|word| word.contains('/'));
            let scope = named.map_or("the scope that is named", |word| word.trim_matches([',', '`', ';']));
            Some(format!("add \"{scope}\" to `scopes` in bot.toml, or do not ask for it{line}"))
        }
        (_, "trap") => Some(format!("the bot crashed: its log and the functions that are named say where{line}")),
        (_, "exception") => {
            Some("the bot threw: the message and the log say where; mend that line, or catch it there".to_owned())
        }
        (_, "fhir-not-found" | "fhir-gone") => {
            let code = failure.code.trim_start_matches("fhir-");
            let failed = calls.iter().rfind(|call| call.response.get().contains(&format!("\"code\":\"{code}\"")));
            let what = failed.and_then(|call| serde_json::from_str::<Vec<Value>>(call.request.get()).ok());
            let what = what.as_ref().and_then(|asked| asked.first()?.as_str()).unwrap_or("what it asked for");
            Some(format!(
                "{what} is not on the server: add it to the case's `given`; or, where it may be absent, have the bot expect that: by `find`, which gives nothing, or in Medplum's style by `catch`"
            ))
        }
        (_, "limit-cpu" | "limit-wall") => Some(format!(
            "look for a loop that does not end, behind the last host call or the last line of the log{line}; where the bot has so much to do, raise that limit under [limits] in bot.toml"
        )),
        (_, code) if code.starts_with("limit-") => {
            Some(format!("mend what the bot does too much of{line}, or raise that limit under [limits] in bot.toml"))
        }
        _ => None,
    }
}

/// What to do about a case that came out otherwise.
fn advice(played: &Played) -> Option<String> {
    match &played.outcome {
        None => Some("no [[on]] table of bot.toml wants this event: look at its criteria, interactions and `when`".to_owned()),
        Some(outcome) => outcome.result.as_ref().err().and_then(|failure| hint(failure, &outcome.journal.calls)),
    }
}

impl CaseReport {
    fn broken(file: &Path, name: String, why: String) -> Self {
        let verdict = Verdict::Broken { why };
        Self {
            file: file.to_owned(),
            name,
            title: String::new(),
            verdict,
            log: Vec::new(),
            held: Vec::new(),
            took: Duration::ZERO,
        }
    }
}

/// A component made ready for its cases.
///
/// # Errors
/// What would be refused when it is deployed.
pub fn prepare(project: &Project, component: &Bytes, aim: Aim) -> Result<BenchBot, AuthorError> {
    let prepared = BenchBot::prepare(&engine(aim, denial(project))?, &project.manifest, component, &InMemory::base()?);
    prepared.map_err(|error| project.placed(error.into()))
}
