//! Keys, backups, and the doctor.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hob_ledger::{BackupNote, Level, Upkeep};
use hob_model::TenantId;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::error::ApiError;
use super::named;
use crate::core::Core;
use crate::master_key::{self, KeyError};

/// Bytes of a backup that are sent at once.
const PIECE: usize = 256 * 1024;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    thorough: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotate {
    tenant: Option<String>,
    #[serde(default)]
    master: bool,
}

fn upkeep(core: &Core) -> Result<&dyn Upkeep, ApiError> {
    let help = "ask whoever runs the store";
    core.ledger.upkeep().ok_or_else(|| ApiError::bad("no-upkeep", "the ledger of this host does not keep files of its own", help))
}

pub(super) async fn doctor(State(core): State<Arc<Core>>, Query(asked): Query<Asked>) -> Result<Json<Value>, ApiError> {
    let findings = crate::doctor::running(&core, asked.thorough).await?;
    let worst = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
    Ok(Json(json!({"worst": worst, "findings": findings})))
}

pub(super) async fn keys(State(core): State<Arc<Core>>) -> Result<Json<Value>, ApiError> {
    let report = upkeep(&core)?.keys().await?;
    Ok(Json(json!({"master": report.master.as_str(), "tenants": report.tenants, "resealed_percent": report.resealed_percent})))
}

pub(super) async fn rotate(State(core): State<Arc<Core>>, Json(asked): Json<Rotate>) -> Result<Json<Value>, ApiError> {
    let tenant = asked.tenant.as_deref().map(named::<TenantId>).transpose()?;
    let keeper = upkeep(&core)?;
    if asked.master {
        let told = |error: KeyError| {
            let help =
                "put the new key where it is kept, name the old one in hob.toml as `old-master-key`, and start the host again";
            ApiError::new(StatusCode::CONFLICT, "master-key", error.to_string(), help)
        };
        let _one_at_a_time = core.conditions.lock("master key".to_owned()).await;
        let current = keeper.keys().await?.master;
        let (key, path) = master_key::stage(&core.config, &current).map_err(told)?;
        keeper.rotate_master(core.epoch, key).await?;
        master_key::put_in_place(&path).map_err(told)?;
        tracing::info!("the data keys are wrapped by a new master key");
    } else {
        keeper.rotate_keys(core.epoch, tenant.as_ref(), core.clock.now()).await?;
    }
    keys(State(core)).await
}

/// Makes a backup in the data folder, sends it, and removes it. What it says of itself stands in a header.
pub(super) async fn backup(State(core): State<Arc<Core>>) -> Result<Response, ApiError> {
    let failed = |error: std::io::Error| {
        let help = "look at the disk of the data folder: a backup needs as much room there as the ledger";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "backup", error.to_string(), help)
    };
    let one_at_a_time = core.conditions.lock("backup".to_owned()).await;
    let draft = Draft(core.config.data.join("backup.sending"));
    // Of a backup that a crash cut off, or of one that is being sent, which goes on without its name.
    remove(&draft.0);
    let note = BackupNote { host_id: core.host_id.clone(), made: core.clock.now() };
    let manifest = upkeep(&core)?.backup(&draft.0, note).await?;
    let file = File::open(&draft.0).await.map_err(failed)?;
    // From here on the file needs no name: nothing is left of it, however the sending ends.
    drop(draft);
    drop(one_at_a_time);
    let length = file.metadata().await.map_err(failed)?.len();
    let pieces = futures::stream::unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(size) => {
                piece.truncate(size);
                Some((Ok(Bytes::from(piece)), file))
            }
            Err(error) => Some((Err(error), file)),
        }
    });
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let text = serde_json::to_string(&manifest).unwrap_or_default();
    headers.insert("x-hob-manifest", HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("{}")));
    Ok(response)
}

/// The name of a file that goes when it has been opened, or when it could not be made.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "a backup that was sent is left in the data folder");
    }
}
