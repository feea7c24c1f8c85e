//! `hob retry`: opens dead letters again, one or a slice.

use std::collections::BTreeMap;

use hob_model::RunId;
use reqwest::Method;
use serde_json::json;

use super::Kind;
use super::filter::Filter;
use crate::api::{self, Reopened, RunRow};
use crate::client::Client;
use crate::commands::{patiently, runs};
use crate::error::CliError;
use crate::output::Output;

/// Open a run that ended dead, rejected or superseded again; or a slice of dead letters
///
/// A run keeps its event and waits in its lane; the bot's release that is live now handles it. A notification is read again by the
/// present code and configuration. A request of the outbox is sent again under its old Idempotency-Key. A slice is what the options
/// name, of dead runs unless said otherwise; how many it holds is said before it is opened.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob retry run_yaj10h7549902s0jsayk03e81c
  hob retry --bot task-router --reason limit-cpu --dry-run
  hob retry --all
  hob retry --notification 17
  hob retry --notifications --source hapi --reason notification-json
  hob retry --outbox run_yaj10h7549902s0jsayk03e81c/sms
  hob retry --outbox --reason outbox-unreachable")]
pub(crate) struct Args {
    /// The run
    #[arg(value_name = "RUN", conflicts_with_all = ["notification", "notifications", "outbox", "bot", "source", "reason", "since", "until", "all", "dry_run"])]
    run: Option<RunId>,
    /// Read this notification again
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["notifications", "outbox", "bot", "source", "reason", "since", "until", "all", "dry_run"])]
    notification: Option<u64>,
    /// A slice of notifications
    #[arg(long, conflicts_with = "outbox")]
    notifications: bool,
    /// Send this request again, or a slice of requests
    #[arg(long, value_name = "RUN/KEY", num_args = 0..=1)]
    outbox: Option<Option<String>>,
    #[command(flatten)]
    filter: Filter,
    /// All of them
    #[arg(long, conflicts_with_all = ["bot", "source", "reason", "since", "until"])]
    all: bool,
    /// Say how many, and open none
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    if let Some(run) = args.run {
        return one_run(run, client, out).await;
    }
    if let Some(seq) = args.notification {
        return one(&format!("dead/notifications/{seq}/retry"), client, out).await;
    }
    if let Some(Some(request)) = &args.outbox {
        if !args.filter.is_empty() || args.all || args.dry_run {
            return Err(CliError::usage("RUN/KEY names one request, the other options a slice", "give one or the other"));
        }
        let Some((run, key)) = request.split_once('/') else {
            return Err(CliError::usage("the request is not RUN/KEY", "`hob dead outbox` lists them"));
        };
        return one(&format!("dead/outbox/{run}/{}/retry", segment(key)), client, out).await;
    }
    if args.filter.is_empty() && !args.all {
        let help = "name a RUN, a slice such as --bot NAME or --reason CODE, or --all";
        return Err(CliError::usage("nothing says what is to be opened", help));
    }
    let kind = match (args.notifications, args.outbox.is_some()) {
        (true, _) => Kind::Notifications,
        (_, true) => Kind::Outbox,
        _ => Kind::Runs,
    };
    slice(kind, &args, client, out).await
}

async fn one_run(run: RunId, client: &Client, out: &Output) -> Result<(), CliError> {
    let answer = client.call(Method::POST, &format!("runs/{run}/retry")).json().await?;
    if out.json() {
        return out.document(&answer);
    }
    out.line(&runs::table(vec![api::read::<RunRow>(&answer)?]).render("", out.color()))?;
    out.next(&format!("hob show {run}"));
    Ok(())
}

async fn one(path: &str, client: &Client, out: &Output) -> Result<(), CliError> {
    let answer = client.call(Method::POST, path).json().await?;
    if out.json() {
        return out.document(&answer);
    }
    out.line("opened again")
}

async fn slice(kind: Kind, args: &Args, client: &Client, out: &Output) -> Result<(), CliError> {
    let path = format!("retry/{}", kind.word());
    let mut body = args.filter.body();
    body.insert("dry_run".to_owned(), json!(true));
    let answer = client.call(Method::POST, &path).body(&json!(body)).json().await?;
    let matched: BTreeMap<String, u64> = api::read::<Reopened>(&answer)?.matched;
    let count: u64 = matched.values().sum();
    let by_reason = super::tally(&matched);
    out.note(&format!("{count} dead {}{by_reason}", kind.word()));
    if args.dry_run || count == 0 {
        return if out.json() { out.document(&answer) } else { Ok(()) };
    }
    body.remove("dry_run");
    let call = client.call(Method::POST, &path).body(&json!(body)).slow();
    let answer = patiently("opening", out, call.json()).await?;
    if out.json() {
        return out.document(&answer);
    }
    out.line(&format!("{} opened again", api::read::<Reopened>(&answer)?.opened))?;
    out.next(&format!("hob dead {} shows what dies again", kind.word()));
    Ok(())
}

/// A key of any characters as one segment of a path.
fn segment(key: &str) -> String {
    let mut text = String::new();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}
