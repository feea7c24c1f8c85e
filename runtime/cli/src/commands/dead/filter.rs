//! Which dead letters: the options that `hob dead` and `hob retry` share.

use hob_model::{BotName, SourceId, Timestamp};
use serde_json::{Map, Value, json};

use crate::client::Call;

/// Which dead letters.
#[derive(Debug, clap::Args)]
pub(crate) struct Filter {
    /// Only those of this bot; notifications have none
    #[arg(long, value_name = "BOT")]
    bot: Option<BotName>,
    /// Only those of this source
    #[arg(long, value_name = "SOURCE")]
    source: Option<SourceId>,
    /// Only those with this code as the reason; what a bot made up itself is `other`
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// Only those that died at or after this instant (RFC 3339); of notifications, that came
    #[arg(long, value_name = "TIME", value_parser = instant)]
    since: Option<Timestamp>,
    /// Only those that died before this instant
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: Option<Timestamp>,
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "is no instant such as 2026-11-22T05:40:33Z".to_owned())
}

impl Filter {
    /// Whether it names anything at all.
    pub(crate) const fn is_empty(&self) -> bool {
        let Self { bot, source, reason, since, until } = self;
        bot.is_none() && source.is_none() && reason.is_none() && since.is_none() && until.is_none()
    }

    /// As parameters of a query.
    pub(crate) fn on<'a>(&self, call: Call<'a>) -> Call<'a> {
        call.query("bot", self.bot.as_ref())
            .query("source", self.source.as_ref())
            .query("code", self.reason.as_ref())
            .query("since", self.since)
            .query("until", self.until)
    }

    /// As the keys of a body.
    pub(crate) fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        for (key, value) in [
            ("bot", json!(self.bot)),
            ("source", json!(self.source)),
            ("code", json!(self.reason)),
            ("since", json!(self.since)),
            ("until", json!(self.until)),
        ] {
            if !value.is_null() {
                body.insert(key.to_owned(), value);
            }
        }
        body
    }
}
