//! [`Observations`]: what observed releases would have done.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use hob_model::{BotName, Digest, RunId, TenantId};
use rusqlite::{Row, params};

use super::SqliteLedger;
use super::cell::Db;
use super::column::{At, Count, at, change, count, first, limit, rows, text};
use super::fault::{Fault, Res};
use crate::observe::{AHEAD, EXAMPLES, MISSED};
use crate::{Epoch, LedgerError, Observation, Observations, Observed, Result, RunSeq};

#[async_trait]
impl Observations for SqliteLedger {
    async fn observe(&self, epoch: Epoch, observation: Observation) -> Result<()> {
        self.write("observe", Some(epoch), false, move |db| put(db, &observation)).await
    }

    async fn observation(&self, tenant: &TenantId, bot: &BotName) -> Result<Option<Observation>> {
        let (tenant, bot) = (tenant.clone(), bot.clone());
        self.readers.read("observation", move |db| one(db, &tenant, &bot)).await
    }

    async fn all_observed(&self, tenant: Option<&TenantId>) -> Result<Vec<Observation>> {
        let tenant = tenant.cloned();
        self.readers
            .read("all_observed", move |db| {
                let sql = format!("{SELECT} WHERE ?1 IS NULL OR tenant = ?1 ORDER BY tenant, bot");
                rows(db, &sql, params![tenant.as_ref().map(AsRef::<str>::as_ref)], read)
            })
            .await
    }

    async fn unsettled(&self, tenant: &TenantId, bot: &BotName, limit: usize) -> Result<Vec<(RunSeq, RunId)>> {
        let (tenant, bot) = (tenant.clone(), bot.clone());
        self.readers.read("unsettled", move |db| unsettled(db, &tenant, &bot, limit)).await
    }

    async fn settle(
        &self,
        epoch: Epoch,
        tenant: &TenantId,
        bot: &BotName,
        release: &Digest,
        observed: Vec<Observed>,
    ) -> Result<()> {
        let (tenant, bot, release) = (tenant.clone(), bot.clone(), *release);
        self.write("settle", Some(epoch), false, move |db| settle(db, &tenant, &bot, &release, &observed)).await
    }

    async fn examples(&self, tenant: &TenantId, bot: &BotName, kind: Option<&str>, limit: usize) -> Result<Vec<Bytes>> {
        let (tenant, bot, kind) = (tenant.clone(), bot.clone(), kind.map(str::to_owned));
        self.readers.read("examples", move |db| examples(db, &tenant, &bot, kind.as_deref(), limit)).await
    }

    async fn unobserve(&self, epoch: Epoch, tenant: &TenantId, bot: &BotName) -> Result<()> {
        let (tenant, bot) = (tenant.clone(), bot.clone());
        self.write("unobserve", Some(epoch), false, move |db| forget(db, &tenant, &bot)).await
    }
}

const SELECT: &str = "SELECT tenant, bot, release, source, settings, first, began, floor, counts FROM observations";

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> Res<T> {
    serde_json::from_str(row.get_ref(column)?.as_str().map_err(|_| Fault::Json)?).map_err(|_| Fault::Json)
}

fn write<T: serde::Serialize>(value: &T) -> Res<String> {
    serde_json::to_string(value).map_err(|_| Fault::Json)
}

fn read(row: &Row<'_>) -> Res<Observation> {
    Ok(Observation {
        tenant: text(row, "tenant")?,
        bot: text(row, "bot")?,
        release: text(row, "release")?,
        source: text(row, "source")?,
        settings: json(row, "settings")?,
        first: row.get("first")?,
        began: at(row, "began")?,
        floor: RunSeq::new(count(row, "floor")?),
        counts: json(row, "counts")?,
    })
}

fn one(db: &Db<'_>, tenant: &TenantId, bot: &BotName) -> Res<Option<Observation>> {
    first(db, &format!("{SELECT} WHERE tenant = ?1 AND bot = ?2"), params![tenant.as_str(), bot.as_str()], read)
}

fn put(db: &Db<'_>, new: &Observation) -> Res<()> {
    let of = params![new.tenant.as_str(), new.release.to_string()];
    if first(db, "SELECT 1 FROM releases WHERE tenant = ?1 AND digest = ?2", of, |_| Ok(()))?.is_none() {
        return Err(LedgerError::NotFound { what: "release" }.into());
    }
    forget(db, &new.tenant, &new.bot)?;
    change(
        db,
        "INSERT INTO observations (tenant, bot, release, source, settings, first, began, floor, counts)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            new.tenant.as_str(),
            new.bot.as_str(),
            new.release.to_string(),
            new.source.as_str(),
            write(&new.settings)?,
            new.first,
            At(new.began),
            Count(new.floor.get()),
            write(&new.counts)?
        ],
    )?;
    Ok(())
}

fn forget(db: &Db<'_>, tenant: &TenantId, bot: &BotName) -> Res<()> {
    let of = params![tenant.as_str(), bot.as_str()];
    change(db, "DELETE FROM observed WHERE tenant = ?1 AND bot = ?2", of)?;
    change(db, "DELETE FROM observations WHERE tenant = ?1 AND bot = ?2", of)?;
    Ok(())
}

fn unsettled(db: &Db<'_>, tenant: &TenantId, bot: &BotName, most: usize) -> Res<Vec<(RunSeq, RunId)>> {
    rows(
        db,
        "SELECT seq, run FROM runs INDEXED BY runs_tenant WHERE tenant = ?1 AND bot = ?2 AND state NOT IN ('pending', 'recorded')
           AND seq > (SELECT floor FROM observations WHERE tenant = ?1 AND bot = ?2)
           AND NOT EXISTS (SELECT 1 FROM observed o WHERE o.tenant = ?1 AND o.run = runs.run) ORDER BY seq LIMIT ?3",
        params![tenant.as_str(), bot.as_str(), limit(most)],
        |row| Ok((RunSeq::new(count(row, "seq")?), text(row, "run")?)),
    )
}

fn settle(db: &Db<'_>, tenant: &TenantId, bot: &BotName, release: &Digest, observed: &[Observed]) -> Res<()> {
    let Some(mut kept) = one(db, tenant, bot)?.filter(|kept| kept.release == *release) else { return Ok(()) };
    let cells = db.cells(tenant, "observed")?;
    for Observed { seq, run, kind, body } in observed.iter().filter(|observed| observed.seq > kept.floor) {
        let sql = "SELECT count(*) AS n FROM observed INDEXED BY observed_kind
                   WHERE tenant = ?1 AND bot = ?2 AND kind = ?3 AND body IS NOT NULL";
        let known = first(db, sql, params![tenant.as_str(), bot.as_str(), kind], |row| Ok(count(row, "n")?))?;
        let has_room = known.unwrap_or_default() < u64::try_from(EXAMPLES).unwrap_or(u64::MAX);
        let body = body.as_ref().filter(|_| has_room).map(|body| cells.bytes_in("body", body)).transpose()?;
        let new = change(
            db,
            "INSERT INTO observed (tenant, run, bot, seq, kind, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (tenant, run) DO NOTHING",
            params![tenant.as_str(), run.to_string(), bot.as_str(), Count(seq.get()), kind, body],
        )?;
        if new > 0 {
            *kept.counts.entry(kind.clone()).or_default() += 1;
        }
    }
    raise(db, &mut kept)?;
    change(
        db,
        "UPDATE observations SET floor = ?3, counts = ?4 WHERE tenant = ?1 AND bot = ?2",
        params![tenant.as_str(), bot.as_str(), Count(kept.floor.get()), write(&kept.counts)?],
    )?;
    Ok(())
}

/// Moves the floor up to the first run that is not settled, and forgets what lies below and is no example.
fn raise(db: &Db<'_>, kept: &mut Observation) -> Res<()> {
    let (tenant, bot) = (kept.tenant.as_str().to_owned(), kept.bot.as_str().to_owned());
    let of_bot = params![tenant, bot];
    let mut open = first_open(db, kept)?;
    if let Some(seq) = open {
        let sql = "SELECT count(*) AS n FROM observed INDEXED BY observed_bot WHERE tenant = ?1 AND bot = ?2 AND seq > ?3";
        let ahead = first(db, sql, params![tenant, bot, Count(seq)], |row| Ok(count(row, "n")?))?.unwrap_or_default();
        if ahead > u64::try_from(AHEAD).unwrap_or(u64::MAX) {
            kept.floor = RunSeq::new(seq);
            *kept.counts.entry(MISSED.to_owned()).or_default() += 1;
            open = first_open(db, kept)?;
        }
    }
    let newest = "SELECT max(seq) AS n FROM runs INDEXED BY runs_tenant WHERE tenant = ?1 AND bot = ?2";
    let newest = || first(db, newest, of_bot, |row| Ok(row.get::<_, Option<Count>>("n")?.map_or(0, |n| n.0)));
    let floor = match open {
        Some(seq) => seq.saturating_sub(1),
        None => newest()?.unwrap_or_default(),
    };
    kept.floor = RunSeq::new(floor.max(kept.floor.get()));
    change(
        db,
        "DELETE FROM observed WHERE tenant = ?1 AND bot = ?2 AND seq <= ?3 AND body IS NULL",
        params![tenant, bot, Count(kept.floor.get())],
    )?;
    Ok(())
}

/// The first run above the floor that is open, or has ended and is not settled.
fn first_open(db: &Db<'_>, kept: &Observation) -> Res<Option<u64>> {
    first(
        db,
        "SELECT seq FROM runs INDEXED BY runs_tenant WHERE tenant = ?1 AND bot = ?2 AND seq > ?3
           AND NOT EXISTS (SELECT 1 FROM observed o WHERE o.tenant = ?1 AND o.run = runs.run) ORDER BY seq LIMIT 1",
        params![kept.tenant.as_str(), kept.bot.as_str(), Count(kept.floor.get())],
        |row| Ok(count(row, "seq")?),
    )
}

fn examples(db: &Db<'_>, tenant: &TenantId, bot: &BotName, kind: Option<&str>, most: usize) -> Res<Vec<Bytes>> {
    let cells = db.cells(tenant, "observed")?;
    let found: Vec<(String, Bytes)> = rows(
        db,
        "SELECT kind, body FROM observed INDEXED BY observed_kind WHERE tenant = ?1 AND bot = ?2 AND (?3 IS NULL OR kind = ?3)
           AND body IS NOT NULL ORDER BY kind, seq",
        params![tenant.as_str(), bot.as_str(), kind],
        |row| Ok((row.get("kind")?, cells.bytes_out(row, "body")?)),
    )?;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut within = |kind: &String| {
        let seen = seen.entry(kind.clone()).or_default();
        *seen += 1;
        *seen <= most
    };
    Ok(found.into_iter().filter(|(kind, _)| within(kind)).map(|(_, body)| body).collect())
}
