//! What the program is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use hob_model::BaseUrl;
use hob_testserver::{ConflictStatus, Delivery, SeedFileError, Settings, VersionIds, seeds_in};
use serde_json::Value;

/// A FHIR R4 server in memory, for tests; never for production. Prints its base URL when it listens.
#[derive(Debug, Parser)]
#[command(version, after_help = "Example: hob-testserver --listen 127.0.0.1:0 --seed-folder examples/clinic")]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8090")]
    pub(crate) listen: SocketAddr,
    /// The base URL in links, where that is not where it listens (a proxy stands before it).
    #[arg(long, value_parser = base_url)]
    pub(crate) base: Option<BaseUrl>,
    /// A folder of .json (a resource or a Bundle each) and .ndjson files to begin with.
    #[arg(long)]
    seed_folder: Option<PathBuf>,
    /// A file with a resource or a Bundle to begin with.
    #[arg(long)]
    bundle: Option<PathBuf>,
    /// Whose manners it has.
    #[arg(long, value_enum, default_value_t = Like::Hapi)]
    like: Like,
    /// Answer a stale If-Match with 412.
    #[arg(long)]
    status_412: bool,
    /// Give all ids: a PUT creates nothing.
    #[arg(long)]
    no_client_ids: bool,
    /// Keep referential integrity: what is referred to must be there, and may not be deleted.
    #[arg(long)]
    integrity: bool,
    /// Version ids without order, instead of 1, 2, 3.
    #[arg(long)]
    opaque_versions: bool,
    /// Have no history of resources.
    #[arg(long)]
    no_instance_history: bool,
    /// Have no history of types.
    #[arg(long)]
    no_type_history: bool,
    /// How often a notification is sent before it is dropped.
    #[arg(long, default_value_t = Delivery::default().attempts)]
    attempts: u32,
    /// Milliseconds between two attempts.
    #[arg(long, default_value_t = 3000)]
    spacing_ms: u64,
    /// How many notifications are sent at once; with more than one, out of order.
    #[arg(long, default_value_t = Delivery::default().posters)]
    posters: usize,
    /// How many notifications wait; what comes then is dropped.
    #[arg(long, default_value_t = Delivery::default().queue)]
    queue: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Like {
    /// HAPI FHIR JPA 8.8.
    Hapi,
    /// What R4 says.
    Standard,
}

impl Args {
    pub(crate) fn settings(&self, base: BaseUrl) -> Settings {
        let mut settings = match self.like {
            Like::Hapi => Settings::hapi(base),
            Like::Standard => Settings::standard(base),
        };
        if self.status_412 {
            settings.conflict = ConflictStatus::PreconditionFailed;
        }
        if self.opaque_versions {
            settings.versions = VersionIds::Opaque;
        }
        settings.integrity = self.integrity;
        settings.client_ids = !self.no_client_ids;
        settings.instance_history = !self.no_instance_history;
        settings.type_history = !self.no_type_history;
        settings
    }

    pub(crate) fn delivery(&self) -> Delivery {
        Delivery {
            attempts: self.attempts,
            spacing: Duration::from_millis(self.spacing_ms),
            posters: self.posters,
            queue: self.queue,
            ..Delivery::default()
        }
    }

    /// All that it begins with, each with the name of its file.
    pub(crate) fn seeds(&self) -> Result<Vec<(String, Value)>, SeedFileError> {
        let mut seeds = Vec::new();
        for path in self.bundle.iter().chain(&self.seed_folder) {
            seeds.extend(seeds_in(path)?.into_iter().map(|(path, resource)| (path.display().to_string(), resource)));
        }
        Ok(seeds)
    }
}

fn base_url(text: &str) -> Result<BaseUrl, String> {
    BaseUrl::new(text).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn flags_become_settings() {
        Args::command().debug_assert();
        let args = ["x", "--status-412", "--no-type-history", "--opaque-versions", "--no-client-ids", "--posters", "1"];
        let args = Args::parse_from(args);
        let settings = args.settings(BaseUrl::new("http://x.test/fhir").unwrap());
        assert_eq!(settings.conflict, ConflictStatus::PreconditionFailed);
        assert_eq!(settings.versions, VersionIds::Opaque);
        assert!(!settings.type_history && settings.instance_history && !settings.client_ids && settings.if_match_creates);
        assert_eq!(args.delivery(), Delivery { posters: 1, ..Delivery::default() });
    }
}
