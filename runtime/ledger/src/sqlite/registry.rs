//! Sources, releases, deployments and subscriptions. None of it is patient data.

use hob_model::{BotName, Digest, Source, SourceId, SubscriptionKey, TenantId, Timestamp};
use rusqlite::{Row, params};

use super::cell::Db;
use super::column::{At, Count, at, change, first, maybe, maybe_at, rows, text};
use super::fault::{Fault, Res};
use crate::{Deployment, LedgerError, Release, RunKey, Subscription};

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> Res<T> {
    serde_json::from_str(row.get_ref(column)?.as_str().map_err(|_| Fault::Json)?).map_err(|_| Fault::Json)
}

fn write<T: serde::Serialize>(value: &T) -> Res<String> {
    serde_json::to_string(value).map_err(|_| Fault::Json)
}

pub(super) fn put_source(db: &Db<'_>, source: &Source) -> Res<()> {
    change(
        db,
        "INSERT INTO sources (tenant, source, body) VALUES (?1, ?2, ?3)
         ON CONFLICT (tenant, source) DO UPDATE SET body = excluded.body",
        params![source.tenant.as_str(), source.id.as_str(), write(source)?],
    )?;
    Ok(())
}

pub(super) fn source(db: &Db<'_>, tenant: &TenantId, id: &SourceId) -> Res<Option<Source>> {
    let sql = "SELECT body FROM sources WHERE tenant = ?1 AND source = ?2";
    first(db, sql, params![tenant.as_str(), id.as_str()], |row| json(row, "body"))
}

pub(super) fn sources(db: &Db<'_>, tenant: Option<&TenantId>) -> Res<Vec<Source>> {
    let sql = "SELECT body FROM sources WHERE ?1 IS NULL OR tenant = ?1 ORDER BY tenant, source";
    rows(db, sql, params![tenant.map(AsRef::<str>::as_ref)], |row| json(row, "body"))
}

pub(super) fn remove_source(db: &Db<'_>, tenant: &TenantId, id: &SourceId) -> Res<()> {
    let of = params![tenant.as_str(), id.as_str()];
    let sql = "SELECT bot FROM deployments WHERE tenant = ?1 AND source = ?2 AND active ORDER BY bot";
    if let Some(by) = first(db, sql, of, |row| Ok(text(row, "bot")?))? {
        return Err(LedgerError::SourceInUse { by }.into());
    }
    change(db, "DELETE FROM subscriptions WHERE tenant = ?1 AND source = ?2", of)?;
    change(db, "DELETE FROM sweeps WHERE tenant = ?1 AND source = ?2", of)?;
    match change(db, "DELETE FROM sources WHERE tenant = ?1 AND source = ?2", of)? {
        0 => Err(LedgerError::NotFound { what: "source" }.into()),
        _ => Ok(()),
    }
}

pub(super) fn put_release(db: &Db<'_>, release: &Release) -> Res<()> {
    change(
        db,
        "INSERT INTO releases (tenant, digest, manifest, manifest_text, created, component) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (tenant, digest) DO NOTHING",
        params![
            release.tenant.as_str(),
            release.digest.to_string(),
            write(&release.manifest)?,
            release.manifest_text,
            At(release.created),
            &release.component[..]
        ],
    )?;
    Ok(())
}

pub(super) fn release(db: &Db<'_>, tenant: &TenantId, digest: &Digest) -> Res<Option<Release>> {
    first(
        db,
        "SELECT manifest, manifest_text, created, component FROM releases WHERE tenant = ?1 AND digest = ?2",
        params![tenant.as_str(), digest.to_string()],
        |row| {
            Ok(Release {
                tenant: tenant.clone(),
                digest: *digest,
                manifest: json(row, "manifest")?,
                manifest_text: row.get("manifest_text")?,
                component: row.get::<_, Vec<u8>>("component")?.into(),
                created: at(row, "created")?,
            })
        },
    )
}

pub(super) fn activate(db: &Db<'_>, new: &Deployment) -> Res<()> {
    let known = |sql: &str, name: &str, what: &'static str| {
        first(db, sql, params![new.tenant.as_str(), name], |_| Ok(()))?.ok_or(Fault::Ledger(LedgerError::NotFound { what }))
    };
    known("SELECT 1 FROM releases WHERE tenant = ?1 AND digest = ?2", &new.release.to_string(), "release")?;
    if let Some(source) = &new.source {
        known("SELECT 1 FROM sources WHERE tenant = ?1 AND source = ?2", source.as_str(), "source")?;
    }
    change(
        db,
        "INSERT OR REPLACE INTO deployments (tenant, bot, release, source, settings, deployed, active)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            new.tenant.as_str(),
            new.bot.as_str(),
            new.release.to_string(),
            new.source.as_ref().map(AsRef::<str>::as_ref),
            write(&new.settings)?,
            At(new.deployed),
            new.active
        ],
    )?;
    Ok(())
}

pub(super) fn deactivate(db: &Db<'_>, tenant: &TenantId, bot: &BotName, now: Timestamp) -> Res<Vec<RunKey>> {
    let of = params![tenant.as_str(), bot.as_str()];
    if change(db, "UPDATE deployments SET active = 0 WHERE tenant = ?1 AND bot = ?2 AND active", of)? == 0 {
        return Err(LedgerError::NotFound { what: "bot in service" }.into());
    }
    change(db, "DELETE FROM timers WHERE tenant = ?1 AND bot = ?2", of)?;
    change(
        db,
        "UPDATE runs INDEXED BY runs_open SET held = 0 WHERE tenant = ?1 AND bot = ?2 AND (state IN ('pending', 'recorded') OR held) AND held",
        of,
    )?;
    rows(
        db,
        "UPDATE runs SET state = 'superseded', ended = ?3, not_before = NULL
         WHERE tenant = ?1 AND bot = ?2 AND state = 'pending' RETURNING run",
        params![tenant.as_str(), bot.as_str(), At(now)],
        |row| Ok(RunKey { tenant: tenant.clone(), run: text(row, "run")? }),
    )
}

const DEPLOYMENT: &str = "SELECT tenant, bot, release, source, settings, deployed, active FROM deployments";

fn read_deployment(row: &Row<'_>) -> Res<Deployment> {
    Ok(Deployment {
        tenant: text(row, "tenant")?,
        bot: text(row, "bot")?,
        release: text(row, "release")?,
        source: maybe(row, "source")?,
        settings: json(row, "settings")?,
        deployed: at(row, "deployed")?,
        active: row.get("active")?,
    })
}

pub(super) fn deployment(db: &Db<'_>, tenant: &TenantId, bot: &BotName) -> Res<Option<Deployment>> {
    let sql = format!("{DEPLOYMENT} WHERE tenant = ?1 AND bot = ?2");
    first(db, &sql, params![tenant.as_str(), bot.as_str()], read_deployment)
}

pub(super) fn deployments(db: &Db<'_>, tenant: Option<&TenantId>) -> Res<Vec<Deployment>> {
    let sql = format!("{DEPLOYMENT} WHERE active AND (?1 IS NULL OR tenant = ?1) ORDER BY tenant, bot");
    rows(db, &sql, params![tenant.map(AsRef::<str>::as_ref)], read_deployment)
}

pub(super) fn put_subscription(db: &Db<'_>, new: &Subscription) -> Res<()> {
    change(
        db,
        "INSERT INTO subscriptions (tenant, source, key, bot, trigger, reference, criteria, since, status, last_event)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (tenant, source, key) DO UPDATE SET bot = excluded.bot, trigger = excluded.trigger,
           reference = excluded.reference, criteria = excluded.criteria, since = excluded.since, status = excluded.status,
           last_event = max(coalesce(last_event, excluded.last_event), coalesce(excluded.last_event, last_event))",
        params![
            new.tenant.as_str(),
            new.source.as_str(),
            new.key.as_str(),
            new.bot.as_str(),
            new.trigger,
            new.reference.as_ref().map(ToString::to_string),
            new.criteria,
            new.since.map(At),
            new.status.as_str(),
            new.last_event.map(Count)
        ],
    )?;
    Ok(())
}

const SUBSCRIPTION: &str =
    "SELECT tenant, source, key, bot, trigger, reference, criteria, since, status, last_event FROM subscriptions";

fn read_subscription(row: &Row<'_>) -> Res<Subscription> {
    Ok(Subscription {
        tenant: text(row, "tenant")?,
        source: text(row, "source")?,
        key: text(row, "key")?,
        bot: text(row, "bot")?,
        trigger: row.get("trigger")?,
        reference: maybe(row, "reference")?,
        criteria: row.get("criteria")?,
        since: maybe_at(row, "since")?,
        status: text(row, "status")?,
        last_event: row.get::<_, Option<Count>>("last_event")?.map(|c| c.0),
    })
}

pub(super) fn subscription(
    db: &Db<'_>,
    tenant: &TenantId,
    source: &SourceId,
    key: &SubscriptionKey,
) -> Res<Option<Subscription>> {
    let sql = format!("{SUBSCRIPTION} WHERE tenant = ?1 AND source = ?2 AND key = ?3");
    first(db, &sql, params![tenant.as_str(), source.as_str(), key.as_str()], read_subscription)
}

pub(super) fn subscriptions(db: &Db<'_>, tenant: &TenantId, source: Option<&SourceId>) -> Res<Vec<Subscription>> {
    let sql = format!("{SUBSCRIPTION} WHERE tenant = ?1 AND (?2 IS NULL OR source = ?2) ORDER BY source, key");
    rows(db, &sql, params![tenant.as_str(), source.map(AsRef::<str>::as_ref)], read_subscription)
}

pub(super) fn remove_subscription(db: &Db<'_>, tenant: &TenantId, source: &SourceId, key: &SubscriptionKey) -> Res<()> {
    change(
        db,
        "DELETE FROM subscriptions WHERE tenant = ?1 AND source = ?2 AND key = ?3",
        params![tenant.as_str(), source.as_str(), key.as_str()],
    )?;
    Ok(())
}
