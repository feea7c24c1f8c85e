//! The doctor: whether the promises can be kept, from the ledger to the sources. Asks and changes nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hob_ledger::sqlite::SqliteLedger;
use hob_ledger::{Finding, Level, Upkeep as _};
use hob_model::{Clock, ResourceType, Timestamp};

use crate::config::Config;
use crate::core::Core;
use crate::host::{LEDGER, StartError};
use crate::master_key;
use crate::sources::SourceEntry;

/// A clock that is further from a source's is named.
const SKEW: Duration = Duration::from_secs(5);
/// Below this much room on the disk of the data somebody should look; below a tenth of it, at once.
const ROOM: u64 = 1024 * 1024 * 1024;
const TIME: &str = "set the clock of this machine, or of the server, by NTP";

/// Examines a running host.
pub(crate) async fn running(core: &Core, thorough: bool) -> Result<Vec<Finding>, hob_ledger::LedgerError> {
    let now = core.clock.now();
    let mut found = vec![disk(&core.config.data)];
    if let Some(upkeep) = core.ledger.upkeep() {
        found.extend(upkeep.check(now, thorough).await?);
    }
    found.extend(bots(core).await?);
    for broken in core.sources.all_broken() {
        found.push(Finding::new("source", Level::Fail, broken, "mend it and add it again with `hob source add`"));
    }
    for source in core.ledger.sources(None).await? {
        if let Some(entry) = core.sources.get(&source.tenant, &source.id) {
            found.extend(self::source(core, &entry).await);
        }
    }
    Ok(found)
}

/// Examines the ledger of a host that is stopped. Bots and sources are looked at by a running one.
///
/// # Errors
/// [`StartError`] as for a start: [`hob_ledger::LedgerError::InUse`] where a host runs.
pub async fn offline(config: &Config, clock: Arc<dyn Clock>, thorough: bool) -> Result<Vec<Finding>, StartError> {
    let path = config.data.join(LEDGER);
    if !path.exists() {
        let error = std::io::Error::other("there is no ledger in it");
        return Err(StartError::Data { path: config.data.clone(), error });
    }
    let ledger = SqliteLedger::open(&path, master_key::find(config)?)?;
    let mut found = vec![disk(&config.data)];
    found.extend(ledger.check(clock.now(), thorough).await?);
    Ok(found)
}

fn disk(data: &Path) -> Finding {
    let help = "make room: at a full disk the host answers 503 and takes nothing, until there is room again";
    match rustix::fs::statvfs(data) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let level = if free < ROOM / 10 {
                Level::Fail
            } else if free < ROOM {
                Level::Warn
            } else {
                Level::Ok
            };
            Finding::new("disk", level, format!("{} MiB free", free / 1024 / 1024), help)
        }
        Err(error) => Finding::new("disk", Level::Warn, format!("the data folder's disk cannot be asked: {error}"), help),
    }
}

async fn bots(core: &Core) -> Result<Vec<Finding>, hob_ledger::LedgerError> {
    let mut found = Vec::new();
    let all = core.ledger.deployments(None).await?;
    for bot in &all {
        // In service is what was compiled at the start, or at its deploy.
        if core.bots.get(&bot.tenant, &bot.bot).is_none() {
            let detail = format!("{}/{} is deployed and not in service", bot.tenant, bot.bot);
            found.push(Finding::new("bot", Level::Fail, detail, "see the host's log of its start, and deploy the bot again"));
        }
    }
    if found.is_empty() {
        found.push(Finding::new("bots", Level::Ok, format!("{} in service", all.len()), ""));
    }
    Ok(found)
}

async fn source(core: &Core, entry: &SourceEntry) -> Vec<Finding> {
    let name = format!("{}/{}", entry.source.tenant, entry.source.id);
    let mut found = Vec::new();
    if entry.source.capabilities.is_none() {
        found.push(Finding::new("source", Level::Warn, format!("{name} was never checked"), "prove it with `hob source check`"));
    }
    let Ok(kind) = ResourceType::new("Basic") else { return found };
    let asked = core.clock.now();
    match entry.client.search(&kind, "_count=1").await {
        Ok(page) => {
            found.push(Finding::new("source", Level::Ok, format!("{name} answers"), ""));
            found.extend(page.date.map(|date| skew(&name, asked, core.clock.now(), date)));
        }
        Err(error) => {
            let detail = format!("{name} does not answer a search: {error}");
            found.push(Finding::new("source", Level::Fail, detail, "is the server up, and are the source's credentials right?"));
        }
    }
    found
}

/// The server's clock against ours: its `Date` has whole seconds, and was written between the question and the answer.
fn skew(name: &str, asked: Timestamp, answered: Timestamp, date: Timestamp) -> Finding {
    let off = asked.since(date + Duration::from_secs(1)).max(date.since(answered));
    let level = if off > SKEW { Level::Warn } else { Level::Ok };
    Finding::new("clock", level, format!("{name}: {} s apart", off.as_secs()), TIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_judged_by_what_the_header_can_tell() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        for (date, level) in [(99, Level::Ok), (100, Level::Ok), (102, Level::Ok), (90, Level::Warn), (108, Level::Warn)] {
            assert_eq!(skew("t/s", at(100), at(102), at(date)).level, level, "{date}");
        }
    }

    #[test]
    fn a_disk_tells_how_much_is_free() {
        let folder = tempfile::tempdir().unwrap();
        assert!(disk(folder.path()).detail.ends_with("MiB free"));
        assert_eq!(disk(Path::new("/no/such/folder")).level, Level::Warn);
    }
}
