//! Manifests that mean harm: refused where they are read, or by the engine, with the key that is wrong.

use hob_model::Manifest;

use crate::case::{Case, Scene, bytes, scene};
use crate::core::component_of;

pub(crate) fn cases() -> Vec<Case> {
    let scope = |name: &str, scope: &str| bytes(name, &format!("scopes = [\"{scope}\"]\n"), || component_of(""));
    vec![
        scope("scope-by-chain", "system/Task.r?patient.name=x").refused("Scope", &["system/Task.r?patient.name=x"]),
        scope("scope-by-has", "system/Patient.r?_has:Task:patient:status=ready").refused("Scope", &["_has"]),
        scope("scope-by-nonsense", "system/Task.r?nonsense=1").refused("Scope", &["nonsense"]),
        scope("scope-by-filter", "system/Task.r?_filter=status eq ready").refused("Scope", &["_filter"]),
        scope("scope-by-modifier", "system/Task.r?patient:Patient.name:in=x").refused("Scope", &["system/Task.r"]),
        scene("manifests", || Box::pin(async { wrong() }) as Scene),
        scene("manifest-deep", || Box::pin(async { deep() }) as Scene),
    ]
}

/// Keys and values that are refused, each with the key that the error names.
const WRONG: &[(&str, &str)] = &[
    ("name = \"../../etc/passwd\"", "name"),
    ("name = \"\"", "name"),
    ("name = \"a\\u0000b\"", "name"),
    ("scopes = [\"user/Task.r\"]", "scopes"),
    ("scopes = [\"system/Task.rx\"]", "scopes"),
    ("scopes = [\"system/../Task.r\"]", "scopes"),
    ("[limits]\ncpu-ms = 0", "limits.cpu-ms"),
    ("[limits]\ncpu-ms = -1", "limits.cpu-ms"),
    ("[limits]\ncpu-ms = 99999999999999999999", "limits.cpu-ms"),
    ("[limits]\nmemory-mib = 4294967296", "limits.memory-mib"),
    ("[limits]\nmemory-mib = 0", "limits.memory-mib"),
    ("[limits]\nwall-ms = 0", "limits.wall-ms"),
    ("[limits]\nhost-calls = 0", "limits.host-calls"),
    ("[limits]\nfuel = 1", "limits.fuel"),
    ("[retry]\nattempts = 0", "retry.attempts"),
    ("[retry]\nfirst-ms = 0", "retry.first-ms"),
    ("unsafe = true", "unsafe"),
];

fn wrong() -> Result<String, String> {
    for (text, key) in WRONG {
        let named = if text.starts_with("name") { "" } else { "name = \"a\"\n" };
        let (keys, table) = if text.starts_with('[') { ("", *text) } else { (*text, "") };
        let text = format!("{named}version = \"1\"\n{keys}\n[[on]]\ninvoke = true\n{table}\n");
        let error = Manifest::parse(&text, "bot.toml").err().ok_or_else(|| format!("taken: {text}"))?;
        if error.key.as_deref() != Some(*key) || error.line == 0 {
            return Err(format!("{text}\n{error}"));
        }
    }
    Ok(format!("{} refused", WRONG.len()))
}

/// TOML nested as deep as it goes: an error, and no crash.
fn deep() -> Result<String, String> {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let value = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let text =
            format!("name = \"a\"\nversion = \"1\"\n[[on]]\ninvoke = true\n[settings.x]\ntype = \"json\"\ndefault = {value}\n");
        Manifest::parse(&text, "bot.toml").err().ok_or("taken")?;
    }
    Ok("refused".to_owned())
}

#[test]
fn manifests() {
    crate::judge::group("manifests", cases());
}
