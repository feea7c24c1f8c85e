//! A bot's folder: its manifest, in which every guess says `# check`, and the build of its source as it is.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use hob_model::{BotName, Limits, Manifest};
use serde_json::{Value, json};

use super::plan::Bot;
use super::scan::{self, Seen};
use super::triggers;
use crate::error::CliError;
use crate::exit_code;

/// A bot as it will be.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: BotName,
    pub(super) manifest: String,
    pub(super) package: Option<String>,
    pub(super) triggers: usize,
    /// What cannot be moved, and why.
    pub(super) left: Vec<String>,
    /// The old host's triggers: the resources and what of them must be off.
    pub(super) switches: Vec<Value>,
    /// Those of them that have no trigger in the manifest.
    pub(super) unmoved: Vec<String>,
}

impl Draft {
    pub(super) fn guesses(&self) -> usize {
        self.manifest.matches("# check").count()
    }

    pub(super) fn json(&self) -> Value {
        json!({"name": self.name, "triggers": self.triggers, "guesses": self.guesses(), "not_moved": self.left})
    }
}

/// A string in TOML. JSON's escapes are TOML's too.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// Makes a bot's draft.
pub(super) fn draft(bot: &Bot, out: &Path) -> Result<Draft, CliError> {
    let mut found = triggers::of(bot);
    let mut left = std::mem::take(&mut found.left);
    let source = code(bot, &mut left);
    let seen = source.map_or_else(Seen::default, |text| scan::source(&text, &found.types));
    left.extend(seen.left.iter().cloned());
    let empty = Value::Null;
    let resource = bot.resource.as_ref().unwrap_or(&empty);
    if resource.is_null() {
        left.push(format!("Bot/{} was not among the resources: no cron, time-out or webhook is known", bot.id));
    }
    fields(resource, &mut left);

    let mut text = String::new();
    let title = bot.title.replace(char::is_control, " ");
    let description = resource["description"].as_str().unwrap_or(&title);
    let _ =
        writeln!(text, "# Made by `hob import` of Bot/{}. What says `# check` is a guess.", bot.id.replace(char::is_control, ""));
    let _ = writeln!(text, "name = {}\nversion = \"0.1.0\"\ndescription = {}", quoted(bot.name.as_str()), quoted(description));
    let _ = writeln!(text, "component = {}\n", quoted(&format!("dist/{}.wasm", bot.name)));
    text.push_str(&scopes(&seen));
    for table in &found.tables {
        let _ = write!(text, "\n{table}");
    }
    if let Some(seconds) = resource["timeout"].as_u64().filter(|seconds| *seconds > 0) {
        let wall = (seconds * 1_000).min(Limits::most().wall_ms);
        let _ = writeln!(text, "\n[limits]\n# timeout of the Bot: {seconds} s\nwall-ms = {wall}");
    }
    if let Some(attempts) = found.attempts {
        let _ = writeln!(text, "\n[retry]\n# subscription-max-attempts\nattempts = {attempts}");
    }
    text.push_str(&outside(&seen));

    let manifest = Manifest::parse(&text, "bot.toml").map_err(|error| {
        let help = "correct the resource that it comes from, or leave the bot out with --bot";
        CliError::new(exit_code::DATA, "import-manifest", format!("no manifest can be made of it: {error}"), help).at(&bot.title)
    })?;
    let package = bot.source.as_ref().map(|source| package(&bot.name, &relative(source, &out.join(bot.name.as_str()))));
    let switches = switches(bot);
    Ok(Draft {
        name: bot.name.clone(),
        manifest: text,
        package,
        triggers: manifest.on.len(),
        left,
        switches,
        unmoved: found.unmoved,
    })
}

/// The source: the file that the project names, else what the Bot resource holds.
fn code(bot: &Bot, left: &mut Vec<String>) -> Option<String> {
    match &bot.source {
        Some(path) => match std::fs::read_to_string(path) {
            Ok(text) => return Some(text),
            Err(_) => {
                left.push(format!("{}: the source cannot be read: scopes, secrets and hosts are not known", path.display()))
            }
        },
        None => left.push("the project file names no source: build the component by hand".to_owned()),
    }
    bot.resource.as_ref().and_then(|resource| resource["code"].as_str()).map(str::to_owned)
}

/// What of a Bot resource has no counterpart.
fn fields(bot: &Value, left: &mut Vec<String>) {
    if bot["publicWebhook"] == true {
        left.push("publicWebhook: Hob has no address that anybody may post to; put a service before it that checks who asks and calls `hob invoke`'s API".to_owned());
    }
    if bot["runAsUser"] == true {
        left.push("runAsUser: a bot of Hob has its own scopes, whoever asks".to_owned());
    }
    if !bot["auditEventTrigger"].is_null() || !bot["auditEventDestination"].is_null() {
        left.push(
            "auditEventTrigger, auditEventDestination: Hob keeps every run with its log (`hob runs`, `hob logs`)".to_owned(),
        );
    }
}

fn scopes(seen: &Seen) -> String {
    let mut text = "scopes = [\n".to_owned();
    for (kind, letters) in &seen.scopes {
        let ordered: String = "cruds".chars().filter(|letter| letters.contains(letter)).collect();
        let _ = writeln!(text, "    \"system/{kind}.{ordered}\", # check: guessed from the source");
    }
    for call in &seen.unknown {
        let _ = writeln!(text, "    # check: what {call} is called for is not in the text");
    }
    text.push_str("]\n");
    text
}

fn outside(seen: &Seen) -> String {
    let mut text = String::new();
    for host in &seen.hosts {
        let _ = writeln!(text, "\n# check: guessed from the source; name path and methods as narrowly as you can");
        let _ = writeln!(text, "[[http]]\nmethods = [\"GET\", \"POST\"]\nhost = {}\npath = \"/\"", quoted(host));
    }
    if !seen.secrets.is_empty() {
        text.push_str("\n# check: a bot of Medplum's reads their values, so they are exposed to it\n[secrets]\n");
    }
    for name in &seen.secrets {
        let variable: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
        let variable = variable.split('_').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_");
        let _ = writeln!(text, "{} = {{ env = \"HOB_SECRET_DEFAULT__{variable}\", expose = true }}", quoted(name));
    }
    text
}

fn package(name: &BotName, source: &str) -> String {
    let hob = json!({ "entry": source, "medplum": true });
    format!("{:#}\n", json!({ "name": name, "private": true, "type": "module", "hob": hob }))
}

/// A file, seen from a folder.
fn relative(file: &Path, folder: &Path) -> String {
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let plain =
        |path: PathBuf| path.components().filter(|part| !matches!(part, std::path::Component::CurDir)).collect::<PathBuf>();
    let (file, folder) = (plain(whole(file)), plain(whole(folder)));
    let common = file.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let mut path: PathBuf = folder.components().skip(common).map(|_| "..").collect();
    path.extend(file.components().skip(common));
    path.display().to_string()
}

/// What runs the bot on the old host, and how that is off: a Subscription's status, a Bot's cron.
fn switches(bot: &Bot) -> Vec<Value> {
    let mut found = Vec::new();
    let version = |one: &Value| one.pointer("/meta/versionId").cloned().unwrap_or_default();
    for one in bot.subscriptions.iter().filter(|one| triggers::is_on(one)) {
        let reference = format!("Subscription/{}", one["id"].as_str().unwrap_or_default());
        let kind = one["criteria"].as_str().and_then(|criteria| criteria.split('?').next());
        found.push(
            json!({ "reference": reference, "version": version(one), "type": kind, "fields": { "status": one["status"] } }),
        );
    }
    if let Some(one) = &bot.resource {
        let fields: serde_json::Map<String, Value> = ["cronTiming", "cronString"]
            .into_iter()
            .filter_map(|key| {
                one.get(key).filter(|value| !value.is_null() && **value != "").map(|value| (key.to_owned(), value.clone()))
            })
            .collect();
        if !fields.is_empty() {
            found.push(json!({ "reference": format!("Bot/{}", bot.id), "version": version(one), "fields": fields }));
        }
    }
    found
}

/// Writes a bot's folder. What is there already is not written over: somebody may have checked it.
pub(super) fn write(draft: &Draft, out: &Path) -> Result<(), CliError> {
    let folder = out.join(draft.name.as_str());
    std::fs::create_dir_all(&folder).map_err(|error| CliError::unwritable(&folder, &error))?;
    for (name, text) in [("bot.toml", Some(&draft.manifest)), ("package.json", draft.package.as_ref())] {
        let Some(text) = text else { continue };
        let path = folder.join(name);
        let made = std::fs::File::create_new(&path).and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
        made.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                let help = "move it away, or name another folder with --out";
                CliError::new(exit_code::FILE, "file-exists", "the file is there already", help).at(path.display())
            }
            _ => CliError::unwritable(&path, &error),
        })?;
    }
    Ok(())
}
