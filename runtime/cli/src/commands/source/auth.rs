//! The options that say how Hob authenticates to a FHIR server.

use hob_model::Auth;

use crate::error::CliError;
use crate::secret;

/// `--auth` and what goes with it.
#[derive(Debug, clap::Args)]
pub(crate) struct AuthArgs {
    /// How Hob authenticates to it
    #[arg(long, value_enum, value_name = "HOW", default_value_t = AuthKind::None, help_heading = "Hob to the source")]
    auth: AuthKind,
    /// The token of `--auth bearer`
    #[arg(long, value_name = "REF", required_if_eq("auth", "bearer"), help_heading = "Hob to the source")]
    auth_token: Option<String>,
    /// The user of `--auth basic`
    #[arg(long, value_name = "NAME", required_if_eq("auth", "basic"), help_heading = "Hob to the source")]
    user: Option<String>,
    /// The password of `--auth basic`
    #[arg(long, value_name = "REF", required_if_eq("auth", "basic"), help_heading = "Hob to the source")]
    password: Option<String>,
    /// The token endpoint of `--auth client-credentials`
    #[arg(long, value_name = "URL", required_if_eq("auth", "client-credentials"), help_heading = "Hob to the source")]
    token_url: Option<String>,
    /// The client id of `--auth client-credentials`
    #[arg(long, value_name = "ID", required_if_eq("auth", "client-credentials"), help_heading = "Hob to the source")]
    client_id: Option<String>,
    /// The client secret of `--auth client-credentials`
    #[arg(long, value_name = "REF", required_if_eq("auth", "client-credentials"), help_heading = "Hob to the source")]
    client_secret: Option<String>,
    /// The scopes that `--auth client-credentials` asks for
    #[arg(long, value_name = "SCOPES", help_heading = "Hob to the source")]
    scope: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum AuthKind {
    /// Not at all
    None,
    /// A fixed bearer token
    Bearer,
    /// User and password
    Basic,
    /// OAuth 2.0 client credentials
    ClientCredentials,
}

impl AuthArgs {
    /// What the options say; secrets stay references.
    pub(crate) fn read(&self) -> Result<Auth, CliError> {
        self.refuse_strangers()?;
        let wanted = |option: &str, value: &Option<String>| {
            value.clone().ok_or_else(|| CliError::usage(format!("`{option}` is missing"), "see --help"))
        };
        let reference = |option: &str, value: &Option<String>| secret::reference(option, &wanted(option, value)?);
        Ok(match self.auth {
            AuthKind::None => Auth::None,
            AuthKind::Bearer => Auth::Bearer { token: reference("--auth-token", &self.auth_token)? },
            AuthKind::Basic => {
                Auth::Basic { user: wanted("--user", &self.user)?, password: reference("--password", &self.password)? }
            }
            AuthKind::ClientCredentials => Auth::ClientCredentials {
                token_url: wanted("--token-url", &self.token_url)?,
                client_id: wanted("--client-id", &self.client_id)?,
                client_secret: reference("--client-secret", &self.client_secret)?,
                scope: self.scope.clone(),
            },
        })
    }

    /// An option of another kind would be ignored, and somebody would think it counts.
    fn refuse_strangers(&self) -> Result<(), CliError> {
        let options = [
            ("--auth-token", self.auth_token.is_some(), AuthKind::Bearer, "bearer"),
            ("--user", self.user.is_some(), AuthKind::Basic, "basic"),
            ("--password", self.password.is_some(), AuthKind::Basic, "basic"),
            ("--token-url", self.token_url.is_some(), AuthKind::ClientCredentials, "client-credentials"),
            ("--client-id", self.client_id.is_some(), AuthKind::ClientCredentials, "client-credentials"),
            ("--client-secret", self.client_secret.is_some(), AuthKind::ClientCredentials, "client-credentials"),
            ("--scope", self.scope.is_some(), AuthKind::ClientCredentials, "client-credentials"),
        ];
        match options.into_iter().find(|(_, given, kind, _)| *given && *kind != self.auth) {
            None => Ok(()),
            Some((option, _, _, kind)) => Err(CliError::usage(
                format!("`{option}` only goes with `--auth {kind}`"),
                format!("add --auth {kind}, or drop {option}"),
            )),
        }
    }
}
