//! `hob source add`: tells the host of a FHIR server.

use hob_model::{BaseUrl, Inbound, SecretRef, SourceId};
use reqwest::Method;
use serde_json::json;

use super::auth::AuthArgs;
use super::list;
use crate::api::{self, SourceRow};
use crate::args::base_url;
use crate::client::Client;
use crate::error::CliError;
use crate::output::Output;
use crate::secret;
use crate::table::Facts;

/// Add a FHIR server, or change one
///
/// Secrets are given as references: env:NAME is a variable of the host's environment, file:PATH a file that the host can read. Hob
/// never stores or shows their values.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # No authentication to the server; its notifications bear the Authorization header that the
  # host finds in its variable HOB_IN_HAPI
  hob source add hapi --base http://localhost:8080/fhir
  hob source add clinic --base https://fhir.example.org/r4 --auth client-credentials \\
      --token-url https://auth.example.org/token --client-id hob \\
      --client-secret file:/run/secrets/clinic
  hob source add medplum --base https://api.medplum.com/fhir/R4 \\
      --auth basic --user ID --password env:MEDPLUM_SECRET \\
      --inbound hmac --inbound-secret env:MEDPLUM_WEBHOOK_SECRET
  hob source add feed --base https://fhir.example.org/r4 \\
      --inbound path --inbound-secret env:FEED_PATH")]
pub(crate) struct Args {
    /// What to call it: 1 to 63 of a-z, 0-9 and inner -
    #[arg(value_name = "NAME")]
    name: SourceId,
    /// Its FHIR base URL
    #[arg(long, value_name = "URL", value_parser = base_url)]
    base: BaseUrl,
    #[command(flatten)]
    auth: AuthArgs,
    /// How its notifications are authenticated
    #[arg(long, value_enum, value_name = "HOW", default_value_t = InboundKind::Header, help_heading = "The source to Hob")]
    inbound: InboundKind,
    /// The header of `--inbound header` (Authorization unless given) or `--inbound hmac` (X-Signature unless given)
    #[arg(long, value_name = "NAME", help_heading = "The source to Hob")]
    inbound_header: Option<String>,
    /// The header's whole value, the HMAC key, or the segment of the path; env:HOB_IN_<NAME> unless given
    #[arg(long, value_name = "REF", help_heading = "The source to Hob")]
    inbound_secret: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum InboundKind {
    /// A header with a fixed value
    Header,
    /// An unguessable segment of the endpoint's path
    Path,
    /// HMAC-SHA256 of the body, in a header
    Hmac,
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    let inbound = args.inbound()?;
    let body = json!({"base": args.base, "auth": args.auth.read()?, "inbound": inbound});
    let answer = client.call(Method::PUT, &format!("sources/{}", args.name)).body(&body).json().await?;
    if out.json() {
        return out.document(&answer);
    }
    let row: SourceRow = api::read(&answer)?;
    let mut facts = Facts::default();
    facts
        .add("source", row.source.id.as_str())
        .add("base", row.source.base.as_str())
        .add("auth", list::auth(&row.source.auth))
        .add("inbound", list::inbound(&row.source.inbound))
        .add("endpoint", row.endpoint);
    out.line(&facts.render(out.color()))?;
    if args.inbound_secret.is_none() {
        out.note(&format!("note: the host must find the inbound secret at {}", secret::printed(secret_of(&inbound))));
    }
    out.next(&format!("hob source check {}", args.name));
    Ok(())
}

impl Args {
    fn inbound(&self) -> Result<Inbound, CliError> {
        let secret = match &self.inbound_secret {
            Some(text) => secret::reference("--inbound-secret", text)?,
            None => secret::inbound_variable(self.name.as_str()),
        };
        let header = |usual: &str| self.inbound_header.clone().unwrap_or_else(|| usual.to_owned());
        match self.inbound {
            InboundKind::Header => Ok(Inbound::Header { name: header("Authorization"), value: secret }),
            InboundKind::Hmac => Ok(Inbound::Hmac { header: header("X-Signature"), secret }),
            InboundKind::Path if self.inbound_header.is_some() => {
                Err(CliError::usage("`--inbound-header` does not go with `--inbound path`", "drop one of them"))
            }
            InboundKind::Path => Ok(Inbound::Path { secret }),
        }
    }
}

fn secret_of(inbound: &Inbound) -> &SecretRef {
    match inbound {
        Inbound::Path { secret } | Inbound::Hmac { secret, .. } | Inbound::Header { value: secret, .. } => secret,
    }
}
