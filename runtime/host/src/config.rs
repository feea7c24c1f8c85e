//! `hob.toml`: where the host listens, where it keeps its data, and how much it takes on.
//!
//! Every key has a default that is safe on one machine, but for the admin token. Sources and bots are not configured here: they
//! are added while the host runs, and kept in the ledger.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hob_model::{BaseUrl, Limits, SecretRef};
use serde::{Deserialize, Deserializer};

use crate::outbound::Allowed;

/// A checked `hob.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// `listen`: where FHIR servers post to. Loopback by default.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// `admin`: where the admin API and the health endpoints are. Loopback by default.
    #[serde(default = "admin")]
    pub admin: SocketAddr,
    /// `public-url`: how FHIR servers reach `listen`; what Subscriptions name.
    pub public_url: Option<BaseUrl>,
    /// `data`: the folder of the ledger and of compiled bots, from the file's own folder.
    #[serde(default = "data")]
    pub data: PathBuf,
    /// `secrets`: the folder of bots' secrets, from the file's own folder: in it a folder for each tenant. What a bot's manifest names must be there, or in a
    /// variable of the host's environment that begins with `HOB_SECRET_TENANT__`.
    #[serde(default = "secrets")]
    pub secrets: PathBuf,
    /// `admin-token`: what the admin API asks for. No default.
    pub admin_token: SecretRef,
    /// `[limits]`.
    #[serde(default)]
    pub limits: HostLimits,
    /// `[outbound]`.
    #[serde(default)]
    pub outbound: Outbound,
    /// `[bot-limits]`: the most that a manifest may ask for below its `limits`; keys that are left out have [`Limits::most`].
    #[serde(default = "Limits::most", deserialize_with = "bot_limits")]
    pub bot_limits: Limits,
    /// `[encryption]`.
    #[serde(default)]
    pub encryption: Encryption,
    /// `[retention]`.
    #[serde(default)]
    pub retention: Retention,
}

/// `[outbound]`: where the requests of bots may go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Outbound {
    /// `allow`: addresses, blocks and names of hosts outside of the public internet that bots may ask, where their manifests say so.
    pub allow: Vec<Allowed>,
}

/// `[encryption]`: where the master key of the ledger is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Encryption {
    /// `master-key`: without it the host makes one, in the file `master.key` of the data folder.
    pub master_key: Option<KeySource>,
    /// `old-master-key`: the one that the ledger may still be under; at the next start it goes over to `master-key`.
    pub old_master_key: Option<KeySource>,
}

/// Where a master key is found: 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeySource {
    /// A file, from `hob.toml`'s own folder.
    File(PathBuf),
    /// A variable of the host's environment.
    Env(String),
    /// What a program prints, such as a client of a key store; run once at a start.
    Command(Vec<String>),
}

/// `[retention]`: how long what is over is kept. What is open, waiting or needed is kept whatever this says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Retention {
    /// Runs that ended, with their attempts, journals and logs, and notifications that were resolved, in days.
    pub ended_days: u32,
    /// Dead letters, in days.
    pub dead_days: u32,
    /// A size of the ledger above which the oldest runs that ended go before their time, in MiB; 0 for none.
    pub size_mib: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { ended_days: 30, dead_days: 180, size_mib: 0 }
    }
}

/// `[limits]`: how much the host takes on at a time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct HostLimits {
    /// The largest notification, in KiB; larger ones are kept cut, as dead letters.
    pub body_kib: usize,
    /// Time for a request to arrive whole, in milliseconds.
    pub request_ms: u64,
    /// Notifications in work at once; above it a source is told to come back.
    pub connections: usize,
    /// Runs in flight at once.
    pub runs: usize,
    /// Runs in flight at once of one bot.
    pub runs_per_bot: usize,
    /// Runs in flight at once at one source.
    pub runs_per_source: usize,
    /// Notifications resolved at once, and sources swept at once. One source takes at most half of what is free.
    pub resolves: usize,
    /// How often each source is compared with the ledger, in milliseconds, give or take a quarter; 0: only at the start and on signs that something
    /// was missed.
    pub sweep_ms: u64,
    /// How far a sweep looks back behind the one before, in milliseconds: over the longest transaction of a source, and the difference of its
    /// machines' clocks.
    pub sweep_overlap_ms: u64,
    /// Time for a FHIR server to answer, in milliseconds.
    pub fhir_ms: u64,
    /// How long a drain waits for runs in flight, in milliseconds.
    pub drain_ms: u64,
    /// How many bots' writes may follow one from outside before a chain is stopped.
    pub hops: u16,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self {
            body_kib: 4_096,
            request_ms: 10_000,
            connections: 512,
            runs: 32,
            runs_per_bot: 16,
            runs_per_source: 16,
            resolves: 32,
            sweep_ms: 300_000,
            sweep_overlap_ms: 60_000,
            fhir_ms: 30_000,
            drain_ms: 20_000,
            hops: 16,
        }
    }
}

/// `[bot-limits]` over the defaults of a host, which are not those of a manifest.
fn bot_limits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Limits, D::Error> {
    let given = toml::Table::deserialize(deserializer)?;
    let mut all = toml::Table::try_from(Limits::most()).map_err(serde::de::Error::custom)?;
    all.extend(given);
    all.try_into().map_err(|error: toml::de::Error| serde::de::Error::custom(error.message()))
}

fn listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8400))
}

fn admin() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8401))
}

fn data() -> PathBuf {
    PathBuf::from("hob-data")
}

fn secrets() -> PathBuf {
    PathBuf::from("secrets")
}

/// What is wrong with a configuration, and where.
#[derive(Debug)]
pub struct ConfigError {
    file: PathBuf,
    line: usize,
    message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads and checks the file; paths in it are taken from its folder.
    ///
    /// # Errors
    /// [`ConfigError`] with file, line and key.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            file: path.to_owned(),
            line: 0,
            message: format!("cannot be read: {error}; `hob serve --config FILE` names another"),
        })?;
        let mut config = Self::parse(&text, path)?;
        for folder in [&mut config.data, &mut config.secrets] {
            if folder.is_relative() {
                *folder = path.parent().unwrap_or(Path::new(".")).join(&*folder);
            }
        }
        let Encryption { master_key, old_master_key } = &mut config.encryption;
        for key in [master_key, old_master_key].into_iter().flatten() {
            if let KeySource::File(file) = key
                && file.is_relative()
            {
                *file = path.parent().unwrap_or(Path::new(".")).join(&*file);
            }
        }
        Ok(config)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or_default();
            let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
            let line_start = before.rfind('\n').map_or(0, |at| at + 1);
            let key = format!("{}{line}", &before[line_start..]);
            let key = key.split('=').next().unwrap_or_default().trim();
            // A key that is missing is on no line: the message names it.
            let no_key = key.is_empty() || error.message().starts_with("missing field");
            let key = if no_key { String::new() } else { format!("`{key}`: ") };
            ConfigError {
                file: path.to_owned(),
                line: before.matches('\n').count() + 1,
                // The parser quotes what it refuses, and that may be the key itself.
                message: if key.contains("master-key") {
                    format!("{key}expected {{ file = \"PATH\" }}, {{ env = \"NAME\" }} or {{ command = [\"PROGRAM\"] }}")
                } else {
                    format!("{key}{}", error.message().trim())
                },
            }
        })?;
        let limits = &config.limits;
        let days = |days: u32| usize::try_from(days).unwrap_or(usize::MAX);
        for (key, value) in [
            ("body-kib", limits.body_kib),
            ("connections", limits.connections),
            ("runs", limits.runs),
            ("runs-per-bot", limits.runs_per_bot),
            ("runs-per-source", limits.runs_per_source),
            ("resolves", limits.resolves),
            ("ended-days", days(config.retention.ended_days)),
            ("dead-days", days(config.retention.dead_days)),
        ] {
            if value == 0 {
                let line = text.lines().position(|l| l.trim_start().starts_with(key)).map_or(0, |at| at + 1);
                let table = if key.ends_with("-days") { "retention" } else { "limits" };
                let message = format!("`{table}.{key}`: must be at least 1");
                return Err(ConfigError { file: path.to_owned(), line, message });
            }
        }
        Ok(config)
    }

    /// How FHIR servers reach this host.
    #[must_use]
    pub fn public_url(&self, bound: SocketAddr) -> String {
        self.public_url.as_ref().map_or_else(|| format!("http://{bound}"), ToString::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("hob.toml"))
    }

    #[test]
    fn the_token_alone_is_enough_and_all_stays_on_loopback() {
        let config = parse("admin-token = { env = \"HOB_ADMIN_TOKEN\" }").unwrap();
        assert!(config.listen.ip().is_loopback() && config.admin.ip().is_loopback());
        assert_eq!(config.limits, HostLimits::default());
        assert_eq!(config.bot_limits, Limits::most());
        let less = parse("admin-token = { env = \"T\" }\n[bot-limits]\ncpu-ms = 5\n").unwrap();
        assert_eq!(less.bot_limits, Limits { cpu_ms: 5, ..Limits::most() });
    }

    #[test]
    fn what_is_wrong_is_named_with_line_and_key() {
        let cases = [
            "listen = \"127.0.0.1:1\"",
            "admin-token = { env = \"T\" }\nlissten = \"x\"",
            "admin-token = { env = \"T\" }\n[limits]\nruns = \"4\"",
            "admin-token = { env = \"T\" }\n[limits]\nruns = 0",
            "admin-token = { environment = \"T\" }",
            "admin-token = { env = \"T\" }\npublic-url = \"ftp://x\"",
            "admin-token = { env = \"T\" }\n[retention]\nended-days = 0",
            "admin-token = { env = \"T\" }\n[outbound]\nallow = [\"127.0.0.1\", \"10.0.0.0/33\"]",
            "admin-token = { env = \"T\" }\n[encryption]\nmaster-key = \"5a5a\"",
        ];
        let errors: Vec<String> = cases.iter().map(|c| parse(c).unwrap_err().to_string()).collect();
        insta::assert_snapshot!(errors.join("\n"));
    }
}
