//! `hob check`: what a bot is, before it is put into service.

mod scopes;
pub(crate) mod structure;
mod times;

use std::path::PathBuf;

use bytes::Bytes;
use hob_cases::CaseFile;
use hob_engine::Denial;
use hob_host::local::BenchBot;
use hob_model::{Clock, Manifest};

use crate::stage::{Aim, engine};
use crate::test::{Covered, Options};
use crate::transport::InMemory;
use crate::{AuthorError, Language, Project, test};

pub use scopes::{Kept, Privilege};
pub use structure::Structure;
pub use times::Times;

/// What a bot is.
#[derive(Debug)]
pub struct Report {
    /// Its name.
    pub bot: String,
    /// Its version.
    pub version: String,
    /// The component.
    pub component: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// What it is written in; none where the folder does not say.
    pub language: Option<Language>,
    /// What it is made of.
    pub structure: Structure,
    /// What it takes to compile, load and run.
    pub times: Times,
    /// Its triggers, and how many cases each has.
    pub triggers: Vec<Covered>,
    /// Its cases, and how many of them come out otherwise than expected.
    pub cases: (usize, usize),
    /// What of its scopes the cases need.
    pub privilege: Privilege,
    /// What an author should look at.
    pub advice: Vec<String>,
}

impl Language {
    /// More of a component than is usual for its language, which brings an interpreter or none, is worth a look; and how to look.
    const fn usual(self) -> (u64, &'static str) {
        match self {
            Self::Rust => (4 << 20, "`cargo tree`, twiggy"),
            // With the client of Medplum and all of Intl.
            Self::Node => (20 << 20, "`npm ls --omit=dev`; what is imported is bundled"),
            Self::Python => (24 << 20, "`pip list`; all that a module imports is kept"),
        }
    }
}

/// Looks at a project's component.
///
/// # Errors
/// What would be refused when it is deployed; files that cannot be read.
pub async fn run(project: &Project, component: PathBuf, clock: &dyn Clock) -> Result<Report, AuthorError> {
    let read = std::fs::read(&component).map_err(|error| AuthorError::unreadable(&component, &error))?;
    let bytes = Bytes::from(read);
    let manifest = &project.manifest;
    let here = |error: AuthorError| if error.at.is_some() { error } else { error.at(component.display()) };
    let structure = structure::of(&bytes).map_err(here)?;
    let engine = engine(Aim::Service, Denial::Ends)?;
    let bot =
        BenchBot::prepare(&engine, manifest, &bytes, &InMemory::base()?).map_err(|error| here(project.placed(error.into())))?;
    let tested = test::run(project, &bot, &Options::default(), clock).await?;
    let files: Vec<CaseFile> = test::files(&project.cases())?.iter().filter_map(|path| CaseFile::read(path).ok()).collect();
    let privilege = scopes::least(manifest, &files, &|changed| prepare(&engine, changed, &bytes)).await?;
    let times = times::measure(manifest, &bytes, &files, clock).await.map_err(here)?;
    let size = bytes.len() as u64;
    let mut report = Report {
        bot: manifest.name.to_string(),
        version: manifest.version.clone(),
        component,
        bytes: size,
        language: project.language().ok(),
        structure,
        times,
        cases: (tested.cases.len(), tested.failed()),
        triggers: tested.coverage,
        privilege,
        advice: Vec::new(),
    };
    report.advice = advice(&report, manifest);
    Ok(report)
}

fn prepare(engine: &hob_engine::Engine, manifest: &Manifest, component: &Bytes) -> Result<BenchBot, AuthorError> {
    Ok(BenchBot::prepare(engine, manifest, component, &InMemory::base()?)?)
}

fn advice(report: &Report, manifest: &Manifest) -> Vec<String> {
    let mut advice = Vec::new();
    let mut say = |text: String| advice.push(text);
    if report.cases.0 == 0 {
        say("there are no cases: write one in cases/, and `hob test --update` fills in what the bot does".to_owned());
    }
    if report.cases.1 > 0 {
        say(format!("{} of {} cases come out otherwise than expected: `hob test`", report.cases.1, report.cases.0));
    }
    for trigger in report.triggers.iter().filter(|trigger| trigger.cases == 0 && report.cases.0 > 0) {
        say(format!("no case starts the bot by {}", trigger.trigger));
    }
    if report.privilege.is_judged {
        for kept in report.privilege.scopes.iter().filter(|kept| !kept.unneeded.is_empty()) {
            say(format!(
                "no case needs `{}` of {}: {}",
                kept.unneeded,
                kept.scope,
                match &kept.instead {
                    Some(instead) => format!("\"{instead}\" would do, or add the case that needs it"),
                    None => "take the scope out, or add the case that needs it".to_owned(),
                }
            ));
        }
    }
    if manifest.scopes.is_empty() {
        say("it has no scopes: it can read and write nothing on the FHIR server".to_owned());
    }
    if let Some(wide) = manifest.scopes.iter().find(|scope| scope.resource_type.is_none()) {
        say(format!("{wide} is of every type: name the types"));
    }
    if report.structure.debug_bytes > 0 {
        let share = report.structure.debug_bytes * 100 / report.bytes.max(1);
        say(format!("{share}% of the component are debug sections: `hob build` leaves them out"));
    } else if let Some((language, (usual, look))) = report.language.map(|language| (language, language.usual()))
        && report.bytes > usual
    {
        say(format!("the component is large for {}: which dependency brings so much? ({look})", language.name()));
    }
    advice
}
