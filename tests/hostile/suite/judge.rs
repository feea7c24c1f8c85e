//! Does what a case says, holds what came of it to what must, looks whether the host lives, and measures the neighbour.

use std::sync::Arc;
use std::time::Duration;

use hob_engine::{EngineError, Release, RunOutput};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::case::{Act, Case, Expect};
use crate::neighbour::{self, Beside};
use crate::server::Server;
use crate::{apart, stage};

/// When something hangs. A release has to be made, and an attempt to end, in less.
pub(crate) const IN_TIME: Duration = Duration::from_secs(20);

/// A line of the table.
pub(crate) struct Row {
    pub(crate) name: String,
    /// How it ended, or why that is wrong.
    pub(crate) end: Result<String, String>,
    pub(crate) took: Duration,
    pub(crate) beside: Option<Beside>,
}

/// Judges a group of cases one after the other, prints them, and fails if any is not as it should be.
pub(crate) fn group(name: &str, cases: Vec<Case>) {
    let _turn = stage::turn();
    let rows: Vec<Row> = cases
        .iter()
        .map(|case| {
            stage::runtime().block_on(async { if case.apart { apart::judge(&case.name).await } else { judge(case).await } })
        })
        .collect();
    println!("\n{name}: {} cases\n{:<40} {:>9} {:>26}  end", rows.len(), "case", "time", "neighbour's p99 in ms");
    rows.iter().for_each(Row::print);
    let wrong: Vec<String> = rows.iter().filter_map(|row| Some(format!("{}: {}", row.name, row.end.as_ref().err()?))).collect();
    assert!(wrong.is_empty(), "{name}:\n  {}", wrong.join("\n  "));
}

impl Row {
    fn print(&self) {
        let beside = self.beside.map_or_else(|| "-".to_owned(), |beside| beside.to_string());
        let end = match &self.end {
            Ok(end) => end.clone(),
            Err(wrong) => format!("WRONG: {wrong}"),
        };
        println!("{:<40} {:>7}ms {beside:>26}  {end}", self.name, self.took.as_millis());
    }
}

/// What came of a case.
enum Outcome {
    Refused(EngineError),
    Ran(Box<RunOutput>),
}

/// How a case is done again: what could be made beforehand is made.
#[derive(Clone)]
enum Ready {
    Prepare(Arc<[u8]>, String),
    Run(Arc<Release>, Value, Arc<Server>),
}

impl Ready {
    async fn again(&self) -> Result<Outcome, String> {
        let once = async {
            match self {
                Self::Prepare(component, manifest) => match stage::prepare(Arc::clone(component), manifest).await {
                    Err(error) => Outcome::Refused(error),
                    Ok(release) => Outcome::Ran(Box::new(stage::run(&release, &json!({}), &nobody()).await)),
                },
                Self::Run(release, payload, server) => Outcome::Ran(Box::new(stage::run(release, payload, server).await)),
            }
        };
        tokio::time::timeout(IN_TIME, once).await.map_err(|_| format!("it has not ended after {IN_TIME:?}"))
    }
}

fn nobody() -> Arc<Server> {
    Arc::new(Server::with([]))
}

async fn ready(case: &Case) -> Option<Ready> {
    match &case.act {
        Act::Scene(_) => None,
        Act::Script { steps, manifest, server } => Some(Ready::Run(stage::actor(manifest), steps.clone(), Arc::clone(server))),
        Act::Bytes { component, manifest } => {
            let component: Arc<[u8]> = component().into();
            if matches!(case.expect, Expect::Ends) {
                return Some(Ready::Prepare(component, manifest.clone()));
            }
            let made = tokio::time::timeout(IN_TIME, stage::prepare(Arc::clone(&component), manifest)).await;
            Some(match made {
                Ok(Ok(release)) => Ready::Run(release, json!({}), nobody()),
                _ => Ready::Prepare(component, manifest.clone()),
            })
        }
    }
}

/// One case in this process.
pub(crate) async fn judge(case: &Case) -> Row {
    let row = |end, took, beside| Row { name: case.name.clone(), end, took, beside };
    let began = Instant::now();
    let Some(ready) = ready(case).await else {
        let Act::Scene(play) = &case.act else { unreachable!("only a scene cannot be made ready") };
        let end = play().await;
        return row(end, began.elapsed(), None);
    };
    let began = Instant::now();
    let end = held(&ready, case).await;
    let took = began.elapsed();
    let end = match end {
        Ok(end) => lives().await.map(|()| end),
        Err(wrong) => Err(wrong),
    };
    if end.is_err() {
        return row(end, took, None);
    }
    let case_ = &case.expect;
    let compared = neighbour::compare(|| {
        let (ready, expect) = (ready.clone(), case_.clone());
        async move { check(&expect, &ready.again().await?).map(drop) }
    })
    .await;
    match compared {
        Ok(beside) => row(end, took, Some(beside)),
        Err(wrong) => row(Err(wrong), took, None),
    }
}

async fn held(ready: &Ready, case: &Case) -> Result<String, String> {
    check(&case.expect, &ready.again().await?)
}

/// The host does right work afterwards.
async fn lives() -> Result<(), String> {
    let server = Arc::new(Server::with([json!({ "resourceType": "Task", "id": "1", "status": "ready" })]));
    let steps = json!([["read", "Task/1"], ["create", { "resourceType": "Task", "status": "draft" }], ["runs"]]);
    let output = stage::run(&stage::actor("scopes = [\"system/*.cruds\"]\n"), &steps, &server).await;
    neighbour::right(&output).map_err(|why| format!("the host does wrong afterwards: {why}"))
}

/// Whether what came of it is what must: how it ended, in a few words.
fn check(expect: &Expect, outcome: &Outcome) -> Result<String, String> {
    match (expect, outcome) {
        (Expect::Refused(variant, words), Outcome::Refused(error)) => {
            let message = error.to_string();
            let is = variant_of(error);
            if is != *variant || words.iter().any(|word| !message.contains(word)) {
                return Err(format!("refused as {is}: {message}; it must be {variant} and say {words:?}"));
            }
            Ok(format!("{is}: {}", short(&message)))
        }
        (Expect::Fails(code, kind, words), Outcome::Ran(output)) => {
            let Err(failure) = &output.result else { return Err(format!("it ended well, and must fail with {code}")) };
            let said = words.iter().all(|word| failure.message.contains(word));
            if failure.code != *code || failure.kind != *kind || !said {
                return Err(format!("it failed with {}: {}; it must be {code} and say {words:?}", failure.code, failure.message));
            }
            if output.effects != hob_model::Effects::default() {
                return Err("it failed, and left effects".to_owned());
            }
            Ok(format!("{code}: {}", short(&failure.message)))
        }
        (Expect::Harmless(holds), Outcome::Ran(output)) => holds(output).map(|()| match &output.result {
            Ok(_) => "harmless".to_owned(),
            Err(failure) => format!("{:?}, harmless", failure.kind),
        }),
        (Expect::Ends, Outcome::Ran(output)) => Ok(match &output.result {
            Ok(_) => "ends well".to_owned(),
            Err(failure) => format!("{}: {}", failure.code, short(&failure.message)),
        }),
        (Expect::Ends, Outcome::Refused(error)) => Ok(format!("{}: {}", variant_of(error), short(&error.to_string()))),
        (_, Outcome::Refused(error)) => Err(format!("no release can be made of it: {error}")),
        (Expect::Refused(variant, _), Outcome::Ran(output)) => {
            Err(format!("a release was made of it, which must be refused as {variant}: {:?}", output.result))
        }
    }
}

fn variant_of(error: &EngineError) -> &'static str {
    match error {
        EngineError::Start(_) => "Start",
        EngineError::Compile(_) => "Compile",
        EngineError::TooMuch { .. } => "TooMuch",
        EngineError::CompileLimit { .. } => "CompileLimit",
        EngineError::Compiler(_) => "Compiler",
        EngineError::CoreModule => "CoreModule",
        EngineError::Import { .. } => "Import",
        EngineError::Export { .. } => "Export",
        EngineError::Limit { .. } => "Limit",
        EngineError::Scope { .. } => "Scope",
        EngineError::Cache { .. } => "Cache",
    }
}

fn short(message: &str) -> String {
    message.chars().map(|letter| if letter == '\n' { ' ' } else { letter }).take(160).collect()
}
