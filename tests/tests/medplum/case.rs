//! A case: what is on the server, and what the bot is run on. `tests/medplum/test/play.ts` reads the same files.

use std::collections::BTreeMap;

use hob_model::{
    Cause, ChangeKey, Event, EventId, Interaction, Manifest, Payload, Reference, ResourceKey, RunId, Timestamp, VersionId,
};
use serde::Deserialize;
use serde_json::Value;

use crate::toolchain::suite;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) now: String,
    trigger: Trigger,
    input: Value,
    pub(crate) resources: Vec<Value>,
    #[serde(default)]
    pub(crate) secrets: BTreeMap<String, Secret>,
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, Value>,
    #[serde(default)]
    pub(crate) answers: Vec<Answer>,
    /// URLs that the outbox is to have.
    #[serde(default)]
    pub(crate) outbox: Vec<String>,
    /// What the bot answers, where that is not what the mock's run recorded.
    pub(crate) result: Option<Value>,
    /// The answer is an HL7 acknowledgement, whose header has the time and a control id.
    #[serde(default)]
    pub(crate) acknowledges: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Trigger {
    Change(Interaction),
    Cron(String),
    Invoke(String),
}

#[derive(Deserialize)]
pub(crate) struct Secret {
    pub(crate) value: String,
    #[serde(default)]
    expose: bool,
}

#[derive(Deserialize)]
pub(crate) struct Answer {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Case {
    pub(crate) fn read(name: &str) -> Self {
        let file = suite().join("cases").join(format!("{name}.json"));
        let text = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::parse(&self.now).unwrap()
    }

    /// What the bot may do: any reads and writes, the case's secrets, and requests to who answers.
    pub(crate) fn manifest(&self, name: &str) -> Manifest {
        let mut text = format!(
            "name = \"{name}\"\nversion = \"1\"\ndescription = \"A bot in Medplum's style.\"\nscopes = [\"system/*.cruds\"]\n[[on]]\ninvoke = true\n"
        );
        let names: Vec<&String> = self.secrets.keys().collect();
        if !self.secrets.is_empty() {
            text += "[secrets]\n";
        }
        for (name, secret) in &self.secrets {
            text += &format!("{name} = {{ env = \"HOB_SECRET_CLINIC__{name}\", expose = {} }}\n", secret.expose);
        }
        for url in self.answers.iter().map(|answer| &answer.url).chain(&self.outbox) {
            let (host, path) = url.trim_start_matches("https://").split_once('/').unwrap();
            let path = path.split('?').next().unwrap();
            text += &format!("[[http]]\nmethods = [\"POST\"]\nhost = \"{host}\"\npath = \"/{path}\"\nsecrets = {names:?}\n");
        }
        for name in self.settings.keys() {
            text += &format!("[settings.{name}]\ntype = \"string\"\ndescription = \"d\"\n");
        }
        Manifest::parse(&text, "bot.toml").unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// The event, its payload, and the resource that it is of, given what is on the server.
    pub(crate) fn event(&self, stored: impl Fn(&Reference) -> Value) -> (Event, Payload, Option<Value>) {
        let source = "ehr".parse().unwrap();
        let tenant = "clinic".parse().unwrap();
        let (cause, payload, resource) = match &self.trigger {
            Trigger::Cron(schedule) => (Cause::Cron { schedule: schedule.clone(), at: self.now() }, Payload::default(), None),
            Trigger::Invoke(requester) => (Cause::Invoke { requester: requester.clone() }, self.payload(), None),
            Trigger::Change(interaction) => {
                let reference: Reference = self.input.as_str().unwrap().parse().unwrap();
                let resource = stored(&reference);
                let version = VersionId::new(resource["meta"]["versionId"].as_str().unwrap()).unwrap();
                let key = ChangeKey {
                    resource: ResourceKey {
                        tenant: "clinic".parse().unwrap(),
                        source: "ehr".parse().unwrap(),
                        resource: reference,
                    },
                    version,
                };
                let bytes = resource.to_string().into_bytes().into();
                let payload = Payload { content_type: "application/fhir+json".to_owned(), bytes };
                (Cause::Change { key, interaction: *interaction, previous: None }, payload, Some(resource))
            }
        };
        let event = Event {
            id: EventId::of_parts(&[b"medplum"]),
            tenant,
            source: Some(source),
            cause,
            occurred: None,
            received: self.now(),
            hop: 0,
        };
        (event, payload, resource)
    }

    pub(crate) fn is_delete(&self) -> bool {
        matches!(self.trigger, Trigger::Change(Interaction::Delete))
    }

    pub(crate) fn target(&self) -> Option<Reference> {
        self.input.as_str()?.parse().ok()
    }

    pub(crate) fn run() -> RunId {
        RunId::of_parts(&[b"medplum"])
    }

    /// JSON, or text with the media type that the case gives it.
    fn payload(&self) -> Payload {
        match (self.input["contentType"].as_str(), self.input["text"].as_str()) {
            (Some(content_type), Some(text)) => {
                Payload { content_type: content_type.to_owned(), bytes: text.to_owned().into_bytes().into() }
            }
            _ => Payload { content_type: "application/json".to_owned(), bytes: self.input.to_string().into_bytes().into() },
        }
    }
}
