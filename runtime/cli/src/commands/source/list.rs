//! `hob source list`, and how a source is shown.

use hob_model::{Auth, Inbound};
use reqwest::Method;

use crate::api::{self, Sources};
use crate::client::Client;
use crate::error::CliError;
use crate::output::{Output, Paint};
use crate::secret;
use crate::table::{Cell, Table};
use crate::units;

/// List the sources, with what they were proved to do
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob source list
  hob source list --json | jq -r '.sources[].endpoint'")]
pub(crate) struct Args {}

pub(crate) async fn run(client: &Client, out: &Output) -> Result<(), CliError> {
    let answer = client.call(Method::GET, "sources").json().await?;
    if out.json() {
        return out.document(&answer);
    }
    let mut table = Table::new(&["SOURCE", "BASE", "AUTH", "INBOUND", "ONCE", "CHECKED", "ENDPOINT"]);
    for row in api::read::<Sources>(&answer)?.sources {
        let source = row.source;
        let proved = source.capabilities.as_ref();
        table.row([
            source.id.as_str().into(),
            source.base.as_str().into(),
            auth(&source.auth).into(),
            inbound(&source.inbound).into(),
            match proved {
                None => "?".into(),
                Some(can) if can.atomic && can.fence => Cell::painted("yes", Paint::Green),
                Some(_) => Cell::painted("no", Paint::Red),
            },
            proved.map_or(Cell::painted("never", Paint::Yellow), |can| units::when(can.checked).into()),
            row.endpoint.into(),
        ]);
    }
    if table.is_empty() {
        out.note("no sources");
        out.next("hob source add NAME --base URL");
        return Ok(());
    }
    out.line(&table.render("", out.color()))
}

/// How Hob authenticates, on one line.
pub(crate) fn auth(auth: &Auth) -> String {
    match auth {
        Auth::None => "none".into(),
        Auth::Bearer { token } => format!("bearer {}", secret::printed(token)),
        Auth::Basic { user, password } => format!("basic {user} {}", secret::printed(password)),
        Auth::ClientCredentials { client_id, client_secret, .. } => {
            format!("client-credentials {client_id} {}", secret::printed(client_secret))
        }
    }
}

/// How the source's notifications are authenticated, on one line.
pub(crate) fn inbound(inbound: &Inbound) -> String {
    match inbound {
        Inbound::Path { secret } => format!("path {}", secret::printed(secret)),
        Inbound::Header { name, value } => format!("header {name} {}", secret::printed(value)),
        Inbound::Hmac { header, secret } => format!("hmac {header} {}", secret::printed(secret)),
    }
}
