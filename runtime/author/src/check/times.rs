//! What a component takes: to compile, once for a deploy; to load, once after a start of the host; and to run.

use std::time::Duration;

use bytes::Bytes;
use hob_cases::CaseFile;
use hob_engine::{Engine, EngineConfig};
use hob_host::local::BenchBot;
use hob_model::{Clock, Manifest};

use crate::error::Fault;
use crate::transport::InMemory;
use crate::{AuthorError, test};

/// Runs of a case that are timed.
const RUNS: usize = 15;

/// What a component takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Times {
    /// To compile it as for service.
    pub compile: Duration,
    /// To load what was compiled: what the first run takes more.
    pub load: Option<Duration>,
    /// The case that was run; none where no case starts the bot.
    pub case: Option<String>,
    /// The middle run: from start to end.
    pub run: Option<Duration>,
    /// The middle run's CPU time.
    pub cpu: Option<Duration>,
}

/// Measures on the first case that the bot handles.
pub(super) async fn measure(
    manifest: &Manifest,
    component: &Bytes,
    cases: &[CaseFile],
    clock: &dyn Clock,
) -> Result<Times, AuthorError> {
    let folder = tempfile::tempdir()
        .map_err(|error| AuthorError::new(Fault::File, "file-unwritable", crate::error::words(&error), "check TMPDIR"))?;
    let config = EngineConfig { concurrent_runs: 1, cache_dir: Some(folder.path().to_owned()), ..EngineConfig::default() };
    let base = InMemory::base()?;
    let began = clock.now();
    BenchBot::prepare(&Engine::new(config.clone())?, manifest, component, &base)?;
    let mut times = Times { compile: clock.now().since(began), ..Times::default() };
    // A second engine knows nothing but the cache, as a host that was started again.
    let bot = BenchBot::prepare(&Engine::new(config)?, manifest, component, &base)?;
    for file in cases {
        let before = clock.now();
        let Ok(played) = test::play(&file.case, &file.case.given, &bot).await else { continue };
        let first = clock.now().since(before);
        if played.outcome.is_none_or(|outcome| outcome.result.is_err()) {
            continue;
        }
        let mut runs = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            let before = clock.now();
            let again = test::play(&file.case, &file.case.given, &bot).await?;
            let cpu = again.outcome.map(|outcome| outcome.cpu).unwrap_or_default();
            runs.push((cpu, clock.now().since(before)));
        }
        runs.sort();
        let (cpu, run) = runs[RUNS / 2];
        times.case = Some(file.name());
        (times.cpu, times.run) = (Some(cpu), Some(run));
        times.load = Some(first.saturating_sub(run));
        break;
    }
    Ok(times)
}
