//! From TOML to a manifest, with the place of whatever is wrong.

use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;

use toml::Spanned;

use super::raw;
use crate::{
    BotName, Filter, HttpRule, Interaction, Manifest, ManifestError, OrderBy, Scope, SecretSpec, SettingSpec, Trigger, with_guess,
};

struct Place<'a> {
    text: &'a str,
    file: &'a str,
}

impl Place<'_> {
    fn error(&self, span: Range<usize>, key: impl Into<Option<String>>, message: impl Into<String>) -> ManifestError {
        let before = self.text.get(..span.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        ManifestError {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            key: key.into(),
            message: message.into(),
        }
    }
}

pub(super) fn manifest(text: &str, file: &str) -> Result<Manifest, ManifestError> {
    let place = Place { text, file };
    let raw: raw::Manifest = toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        let key = key_at(text, span.start);
        place.error(span, key, with_guess(error.message().trim()))
    })?;
    let name = BotName::new(raw.name.get_ref().as_str())
        .map_err(|e| place.error(raw.name.span(), Some("name".into()), e.to_string()))?;
    if raw.on.is_empty() {
        return Err(place.error(0..0, Some("on".into()), "a bot needs at least one [[on]] table, such as change = \"Task\""));
    }
    let on = raw.on.into_iter().map(|on| trigger(&place, on)).collect::<Result<_, _>>()?;
    let scopes = raw
        .scopes
        .iter()
        .map(|s| Scope::from_str(s.get_ref()).map_err(|e| place.error(s.span(), Some("scopes".into()), e.to_string())))
        .collect::<Result<_, _>>()?;
    let order_by = raw.order_by.map_or(Ok(OrderBy::Resource), |o| order_by(&place, &o))?;
    for (name, value) in [
        ("limits.cpu-ms", raw.limits.cpu_ms),
        ("limits.wall-ms", raw.limits.wall_ms),
        ("limits.memory-mib", raw.limits.memory_mib.into()),
        ("limits.host-calls", raw.limits.host_calls.into()),
        ("limits.output-kib", raw.limits.output_kib.into()),
        ("limits.request-ms", raw.limits.request_ms),
        ("retry.attempts", raw.retry.attempts.into()),
        ("retry.conflicts", raw.retry.conflicts.into()),
        ("retry.first-ms", raw.retry.first_ms),
    ] {
        if value == 0 {
            return Err(place.error(0..0, Some(name.into()), "must be at least 1"));
        }
    }
    let settings = raw.settings.into_iter().map(|(name, spec)| setting(&place, name, spec)).collect::<Result<_, _>>()?;
    let (http, secrets) = secrets(&place, raw.http, raw.secrets)?;
    let component = raw.component.unwrap_or_else(|| format!("{}.wasm", name.as_str().replace('-', "_")));
    Ok(Manifest {
        name,
        version: raw.version,
        description: raw.description,
        component,
        on,
        scopes,
        http,
        limits: raw.limits,
        order_by,
        versions: raw.versions,
        on_dead: raw.on_dead,
        retry: raw.retry,
        outbox: raw.outbox,
        own_changes: raw.own_changes,
        settings,
        secrets,
    })
}

fn setting(place: &Place<'_>, name: String, spec: Spanned<SettingSpec>) -> Result<(String, SettingSpec), ManifestError> {
    let span = spec.span();
    let spec = spec.into_inner();
    match &spec.default {
        Some(value) if !spec.kind.takes(value) => {
            Err(place.error(span, Some(format!("settings.{name}.default")), "is not of the setting's type"))
        }
        _ => Ok((name, spec)),
    }
}

/// Each rule's secrets are known ones, and each secret is of use to somebody: what is left over is a slip of the pen.
fn secrets(
    place: &Place<'_>,
    http: Vec<Spanned<HttpRule>>,
    secrets: BTreeMap<String, Spanned<SecretSpec>>,
) -> Result<(Vec<HttpRule>, BTreeMap<String, SecretSpec>), ManifestError> {
    for rule in &http {
        if let Some(unknown) = rule.get_ref().secrets.iter().find(|name| !secrets.contains_key(*name)) {
            return Err(place.error(rule.span(), Some("http.secrets".into()), format!("`{unknown}` is not in [secrets]")));
        }
    }
    for (name, spec) in &secrets {
        let wrong = |message: &str| Err(place.error(spec.span(), Some(format!("secrets.{name}")), message));
        // The name is part of the placeholder, which must stand in a URL as it is.
        let formed = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if name.is_empty() || name.len() > 64 || !formed {
            return wrong("a secret's name has 1 to 64 letters, digits, - and _");
        }
        let SecretSpec { sign, expose, .. } = spec.get_ref();
        if sign.is_none() && !expose && !http.iter().any(|rule| rule.get_ref().secrets.contains(name)) {
            return wrong(
                "nothing may use it: name it in the `secrets` of an [[http]] rule, or give it `sign` or `expose = true`",
            );
        }
    }
    let http = http.into_iter().map(Spanned::into_inner).collect();
    Ok((http, secrets.into_iter().map(|(name, spec)| (name, spec.into_inner())).collect()))
}

fn order_by(place: &Place<'_>, raw: &Spanned<raw::OrderBy>) -> Result<OrderBy, ManifestError> {
    match raw.get_ref() {
        raw::OrderBy::Word(word) => match word.as_str() {
            "resource" => Ok(OrderBy::Resource),
            "patient" => Ok(OrderBy::Patient),
            "none" => Ok(OrderBy::None),
            "bot" => Ok(OrderBy::Bot),
            _ => Err(place.error(
                raw.span(),
                Some("order-by".into()),
                "must be \"resource\", \"patient\", \"none\", \"bot\" or { path = \"$.…\" }",
            )),
        },
        raw::OrderBy::Path { path } => Ok(OrderBy::Path(path.clone())),
    }
}

fn trigger(place: &Place<'_>, on: Spanned<raw::On>) -> Result<Trigger, ManifestError> {
    let span = on.span();
    let on = on.into_inner();
    let wrong = |message: &str| place.error(span.clone(), Some("on".into()), message);
    let kinds = [on.change.is_some(), on.cron.is_some(), on.timer.is_some(), on.invoke.is_some(), on.reply.is_some()];
    if kinds.iter().filter(|k| **k).count() != 1 {
        return Err(wrong("give exactly one of change, cron, timer, invoke and reply"));
    }
    let of_change = on.interactions.is_some() || on.when.is_some() || on.topic.is_some() || on.source_only.is_some();
    if of_change && on.change.is_none() {
        return Err(wrong("interactions, when, topic and source-only go with change"));
    }
    if on.zone.is_some() && on.cron.is_none() {
        return Err(wrong("zone goes with cron"));
    }
    for (flag, name) in [(on.timer, "timer"), (on.invoke, "invoke"), (on.reply, "reply")] {
        if flag == Some(false) {
            return Err(wrong(&format!("{name} = false means nothing: leave the table out")));
        }
    }
    if let Some(criteria) = on.change {
        let when = on.when.unwrap_or_default().into_iter().map(|w| filter(place, w)).collect::<Result<_, _>>()?;
        let interactions = on.interactions.unwrap_or_else(|| vec![Interaction::Create, Interaction::Update]);
        if interactions.is_empty() {
            return Err(wrong("interactions must name at least one of create, update and delete"));
        }
        return Ok(Trigger::Change {
            criteria: criteria.into_inner(),
            interactions,
            when,
            topic: on.topic,
            source_only: on.source_only.unwrap_or(false),
        });
    }
    if let Some(schedule) = on.cron {
        super::cron(schedule.get_ref()).map_err(|e| {
            place.error(
                schedule.span(),
                Some("on.cron".into()),
                format!("{e} (seconds come first: \"0 0 9 * * *\" is nine o'clock)"),
            )
        })?;
        let zone = on.zone.ok_or_else(|| wrong("cron needs a zone, such as zone = \"America/New_York\""))?;
        let zone_at = zone.span();
        let zone = zone
            .get_ref()
            .parse()
            .map_err(|_| place.error(zone_at, Some("on.zone".into()), "is not an IANA time zone such as America/New_York"))?;
        return Ok(Trigger::Cron { schedule: schedule.into_inner(), zone });
    }
    Ok(if on.timer.is_some() {
        Trigger::Timer
    } else if on.invoke.is_some() {
        Trigger::Invoke
    } else {
        Trigger::Reply
    })
}

fn filter(place: &Place<'_>, when: Spanned<raw::When>) -> Result<Filter, ManifestError> {
    let span = when.span();
    match when.into_inner() {
        raw::When { jsonpath: Some(path), fhirpath: None } => Ok(Filter::JsonPath(path)),
        raw::When { jsonpath: None, fhirpath: Some(path) } => Ok(Filter::FhirPath(path)),
        _ => Err(place.error(span, Some("on.when".into()), "give one of jsonpath and fhirpath")),
    }
}

/// The dotted key on the line of `offset`, for errors that TOML itself raises.
fn key_at(text: &str, offset: usize) -> Option<String> {
    let before = text.get(..offset)?;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(start..)?.lines().next()?;
    let key = line.split('=').next()?.trim().trim_matches(['[', ']']).trim();
    let table =
        before.lines().rev().map(str::trim).find(|l| l.starts_with('[')).map(|l| l.trim_matches(['[', ']']).trim().to_owned());
    if key.is_empty() || line.trim_start().starts_with('[') {
        return if key.is_empty() { table } else { Some(key.to_owned()) };
    }
    Some(table.map_or_else(|| key.to_owned(), |table| format!("{table}.{key}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WHOLE: &str = r#"
name = "task-router"
version = "0.1.0"
description = "Routes ready tasks."
scopes = ["system/Task.ru", "system/PractitionerRole.rs?active=true"]
order-by = "patient"
versions = "latest"
on-dead = "wait"

[[on]]
change = "Task?status=ready"
interactions = ["create"]
when = [{ jsonpath = "$.for" }, { fhirpath = "%current.owner.empty()" }]

[[on]]
cron = "0 0 9 * * Mon-Fri"
zone = "America/New_York"

[[on]]
timer = true

[limits]
cpu-ms = 50

[retry]
attempts = 3

[settings.quiet-from]
type = "integer"
default = 20

[[http]]
methods = ["POST"]
host = "sms.example"
path = "/v1"
secrets = ["sms"]

[secrets]
sms = { env = "SMS_TOKEN" }
webhook = { file = "webhook.key", sign = "hmac-sha256" }
legacy = { env = "LEGACY", expose = true }
"#;

    /// A change of the whole manifest, and why it is wrong then.
    const WRONG: [(&str, &str, &str); 18] = [
        ("scopes =", "scope =", "unknown key"),
        ("order-by = \"patient\"", "order-by = \"person\"", "order"),
        ("cpu-ms = 50", "cpu-ms = \"50\"", "type"),
        ("cpu-ms = 50", "cpu-msec = 50", "unknown in table"),
        ("attempts = 3", "attempts = 0", "zero"),
        ("system/Task.ru", "Task.ru", "scope"),
        ("America/New_York", "EST5", "zone"),
        ("0 0 9 * * Mon-Fri", "9 oclock", "cron"),
        ("timer = true", "timer = true\ncron = \"0 0 9 * * *\"", "two kinds"),
        ("timer = true", "timer = true\nzone = \"UTC\"", "zone without cron"),
        ("type = \"integer\"", "type = \"string\"", "default of another type"),
        ("name = \"task-router\"", "name = \"Task Router\"", "name"),
        ("secrets = [\"sms\"]", "secrets = [\"smss\"]", "secret of no name"),
        ("secrets = [\"sms\"]", "secrets = []", "secret of no use"),
        ("sms = {", "\"s ms\" = {", "name of a secret"),
        ("expose = true", "exposed = true", "unknown in a secret"),
        ("sign = \"hmac-sha256\"", "sign = \"md5\"", "algorithm"),
        ("file = \"webhook.key\"", "file = \"webhook.key\", env = \"WEBHOOK\"", "two places"),
    ];

    #[test]
    fn reads_a_whole_manifest() {
        let manifest = Manifest::parse(WHOLE, "bot.toml").unwrap();
        insta::assert_debug_snapshot!(manifest);
        let json = serde_json::to_string(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&json).unwrap(), manifest);
    }

    #[test]
    fn names_line_and_key() {
        let errors: Vec<String> = WRONG
            .iter()
            .map(|(from, to, what)| {
                let text = WHOLE.replacen(from, to, 1);
                assert_ne!(text, WHOLE, "{what}");
                format!("{what}: {}", Manifest::parse(&text, "bot.toml").expect_err(what))
            })
            .collect();
        insta::assert_snapshot!(errors.join("\n"));
    }

    /// What is wrong by two keys together, or needs a parser of its own: the reader finds it out, no schema.
    const BEYOND_A_SCHEMA: [&str; 5] = ["zone", "cron", "default of another type", "secret of no name", "secret of no use"];

    #[test]
    fn the_schema_agrees_with_the_reader() {
        let schema = jsonschema::validator_for(&crate::manifest_schema()).unwrap();
        let json = |text: &str| serde_json::to_value(toml::from_str::<toml::Value>(text).unwrap()).unwrap();
        let shipped = ["pro-scorer", "reminder", "task-router"]
            .map(|bot| std::fs::read_to_string(format!("{}/../../bots/{bot}/bot.toml", env!("CARGO_MANIFEST_DIR"))).unwrap());
        let least = "name = \"a\"\nversion = \"1\"\n[[on]]\ninvoke = true\n".to_owned();
        let by_path = WHOLE.replace("order-by = \"patient\"", "order-by = { path = \"$.for\" }");
        for good in shipped.into_iter().chain([WHOLE.to_owned(), least, by_path]) {
            Manifest::parse(&good, "bot.toml").unwrap();
            let said: Vec<String> =
                schema.iter_errors(&json(&good)).map(|error| format!("{}: {error}", error.instance_path())).collect();
            assert!(said.is_empty(), "{said:?}\n{good}");
        }
        for (from, to, what) in WRONG {
            let refused = !schema.is_valid(&json(&WHOLE.replacen(from, to, 1)));
            assert_eq!(refused, !BEYOND_A_SCHEMA.contains(&what), "{what}");
        }
        for text in ["", "name = \"a\"\nversion = \"1\"\n", "name = \"a\"\nversion = \"1\"\n[[on]]\ntimer = false\n"] {
            assert!(Manifest::parse(text, "bot.toml").is_err() && !schema.is_valid(&json(text)), "{text}");
        }
    }

    #[test]
    fn the_schema_in_the_documentation_is_this_one() {
        let file = format!("{}/../../docs/bot.schema.json", env!("CARGO_MANIFEST_DIR"));
        let current = format!("{:#}\n", crate::manifest_schema());
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(&file, &current).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), current, "write it again with UPDATE_SCHEMA=1");
    }

    proptest! {
        #[test]
        fn never_panics(text in "(?s).{0,200}") {
            let _ = Manifest::parse(&text, "bot.toml");
        }

        #[test]
        fn a_line_out_of_place_never_panics(at in 0..1000_usize, extra in "[a-z\\[\\]={}\"'. ]{0,20}") {
            let mut text = WHOLE.to_owned();
            let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.insert_str(at, &extra);
            let _ = Manifest::parse(&text, "bot.toml");
        }
    }
}
