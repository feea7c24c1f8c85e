//! What a trial found, for people: counts first, then examples.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hob_model::{RunId, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::error::CliError;
use crate::output::{Output, Paint, inline};
use crate::table::{Cell, Table};
use crate::units;

/// Fields of one run that are shown, and characters of a value.
const FIELDS: usize = 12;
const GLANCE: usize = 90;
/// Characters of a question.
const QUESTION: usize = 120;

/// A line of the host's answer.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Line {
    Sum(Sum),
    Compared(Box<Compared>),
    Progress { looked: u64, of: u64 },
}

#[derive(Debug, Deserialize)]
pub(crate) struct Sum {
    pub(crate) release: String,
    #[serde(default)]
    pub(crate) found: u64,
    #[serde(default)]
    pub(crate) looked: u64,
    pub(crate) groups: BTreeMap<String, u64>,
    #[serde(default)]
    pub(crate) skipped: BTreeMap<String, u64>,
    #[serde(default)]
    pub(crate) asked: u64,
}

/// One run, as another release would have done it.
#[derive(Debug, Deserialize)]
pub(crate) struct Compared {
    pub(crate) run: RunId,
    pub(crate) group: String,
    received: Timestamp,
    trigger: String,
    subject: Option<String>,
    recorded: Option<Ended>,
    now: Option<Ended>,
    changes: Vec<Change>,
    #[serde(default)]
    more: usize,
    #[serde(default)]
    marks: Vec<Mark>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Ended {
    outcome: String,
    message: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Change {
    #[serde(rename = "in")]
    within: String,
    of: String,
    path: String,
    old: Option<Value>,
    new: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Mark {
    why: String,
    #[serde(default)]
    asked: String,
}

/// The groups as the host calls them, what people are told of each, in the order in which they are looked at.
const GROUPS: [(&str, &str, Paint); 6] = [
    ("same", "the same", Paint::Green),
    ("changed", "changed", Paint::Yellow),
    ("new-failure", "fails now", Paint::Red),
    ("failure-gone", "failed, and does not now", Paint::Green),
    ("not-triggered", "not triggered any more", Paint::Yellow),
    ("undecidable", "cannot be told", Paint::Yellow),
];

/// Collects what is shown.
#[derive(Debug)]
pub(crate) struct Shown {
    examples: usize,
    words: Vec<(&'static str, &'static str, Paint)>,
    kept: BTreeMap<String, Vec<Compared>>,
    sum: Option<Sum>,
    /// The host came to the end.
    pub(crate) ended: bool,
}

impl Shown {
    pub(crate) fn new(examples: usize) -> Self {
        Self { examples, words: GROUPS.to_vec(), kept: BTreeMap::new(), sum: None, ended: false }
    }

    /// Of a release that has none beside it.
    pub(crate) fn of_first(examples: usize) -> Self {
        let words = vec![
            ("same", "it would do nothing", Paint::Plain),
            ("changed", "it would act", Paint::Green),
            ("new-failure", "it fails", Paint::Red),
            ("undecidable", "cannot be told", Paint::Yellow),
        ];
        Self { words, ..Self::new(examples) }
    }

    pub(crate) fn take(&mut self, line: Line) {
        match line {
            Line::Sum(sum) => self.sum = Some(sum),
            Line::Compared(compared) if compared.group != "same" => {
                let kept = self.kept.entry(compared.group.clone()).or_default();
                if kept.len() < self.examples {
                    kept.push(*compared);
                }
            }
            Line::Compared(_) | Line::Progress { .. } => {}
        }
    }

    /// Whether there is more than is shown.
    pub(crate) fn has_more(&self) -> bool {
        let groups = self.sum.as_ref().map(|sum| &sum.groups);
        let count = |group: &str| groups.and_then(|groups| groups.get(group)).copied().unwrap_or_default();
        GROUPS.iter().any(|(group, ..)| *group != "same" && count(group) > self.kept.get(*group).map_or(0, Vec::len) as u64)
    }

    /// A run that is worth a look.
    pub(crate) fn example(&self) -> Option<RunId> {
        self.kept.values().flatten().next().map(|compared| compared.run)
    }

    /// Counts, then examples.
    pub(crate) fn print(&self, bot: &str, out: &Output) -> Result<(), CliError> {
        let Some(sum) = &self.sum else { return Ok(()) };
        let release: String = sum.release.chars().take("sha256:".len() + 12).collect();
        let of = if sum.found > sum.looked { format!(" of {}", sum.found) } else { String::new() };
        out.line(&format!("{} runs{of} of {bot} tried on release {release}", sum.looked))?;
        out.line("")?;
        self.print_groups(sum, out)
    }

    /// The groups alone.
    pub(crate) fn print_groups(&self, sum: &Sum, out: &Output) -> Result<(), CliError> {
        let count = |group: &str| sum.groups.get(group).copied().unwrap_or_default();
        let mut table = Table::new(&["RUNS", "WHAT BECOMES OF THEM"]);
        for (group, words, paint) in self.words.iter().copied() {
            let shown = if count(group) > 0 { paint } else { Paint::Dim };
            table.row([Cell::painted(format!("{:>6}", count(group)), shown), Cell::painted(words, shown)]);
        }
        out.line(&table.render("", out.color()))?;
        if !sum.skipped.is_empty() {
            let why: Vec<String> = sum.skipped.iter().map(|(why, count)| format!("{count} {}", skipped(why))).collect();
            out.line(&format!("not tried: {}", why.join(", ")))?;
        }
        if sum.asked > 0 {
            out.line(&format!("{} questions that were not asked then were put to the source", sum.asked))?;
        }
        for (group, words, _) in self.words.iter().copied() {
            for (at, compared) in self.kept.get(group).into_iter().flatten().enumerate() {
                if at == 0 {
                    let shown = self.kept.get(group).map_or(0, Vec::len);
                    out.line("")?;
                    out.line(&Paint::Bold.on(&format!("{words}: {shown} of {}", count(group)), out.color()))?;
                }
                out.line(&compared.told(out.color()))?;
            }
        }
        Ok(())
    }
}

fn skipped(why: &str) -> &str {
    match why {
        "open" => "not ended yet",
        "no-journal" => "without a journal",
        "old-journal" => "recorded by an older Hob",
        "superseded" => "superseded",
        other => other,
    }
}

impl Compared {
    /// The run and its differences, a line each.
    fn told(&self, color: bool) -> String {
        let subject = self.subject.as_deref().map_or_else(String::new, |subject| format!(" {}", inline(subject)));
        let mut lines = vec![format!("  {}  {}{subject}, {}", self.run, inline(&self.trigger), units::when(self.received))];
        let ended = |ended: &Option<Ended>| match ended {
            Some(Ended { outcome, message: Some(message) }) => format!("{}: {}", inline(outcome), inline(message)),
            Some(Ended { outcome, message: None }) => inline(outcome).into_owned(),
            None => "not run".to_owned(),
        };
        if let Some(recorded) = &self.recorded
            && Some(recorded) != self.now.as_ref()
        {
            lines.push(format!("    ended: {} -> {}", ended(&self.recorded), ended(&self.now)));
        } else if let (None, Some(Ended { message: Some(_), .. })) = (&self.recorded, &self.now) {
            lines.push(format!("    ended: {}", ended(&self.now)));
        }
        for mark in &self.marks {
            lines.push(format!("    {}", Paint::Yellow.on(&mark.told(), color)));
        }
        if !self.marks.is_empty() && self.changes.is_empty() && self.recorded == self.now {
            lines.push("    with that it does the same".to_owned());
        }
        let mut head = String::new();
        let mut left = FIELDS;
        let mut hidden = self.more;
        for change in &self.changes {
            let own = change.head();
            if own != head {
                lines.push(format!("    {}", inline(&own)));
                head = own;
            }
            let fields = change.fields();
            hidden += fields.len().saturating_sub(left);
            for field in fields.into_iter().take(left) {
                left -= 1;
                lines.push(format!("      {}", field.on(color)));
            }
        }
        if hidden > 0 {
            lines.push(format!("      and {hidden} more fields"));
        }
        lines.join("\n")
    }
}

impl Mark {
    fn told(&self) -> String {
        let asked = units::cut(&self.asked, QUESTION);
        let asked = inline(&asked);
        match self.why.as_str() {
            "now" => format!("not certain: {asked} is answered by what the source has now"),
            "unknown" => format!("not known: {asked} was not asked then; the run was tried up to there"),
            "secret" => "not compared: the recorded writes hold a secret, which is shown to nobody".to_owned(),
            "slow" => "not certain: the source was slow, and the time limit ended it".to_owned(),
            other => format!("not certain: {other} {asked}"),
        }
    }
}

/// A line of a diff.
struct Field {
    text: String,
    paint: Paint,
}

impl Field {
    fn on(&self, color: bool) -> String {
        self.paint.on(&self.text, color).into_owned()
    }
}

impl Change {
    /// What it is on. A whole that is new or gone says so.
    fn head(&self) -> String {
        let whole = self.path.is_empty();
        let sign = match (&self.old, &self.new) {
            (None, Some(_)) if whole => "+ ",
            (Some(_), None) if whole => "- ",
            _ => "",
        };
        match self.within.as_str() {
            "result" => format!("{sign}what it answers"),
            "outbox" => format!("{sign}request {}", self.of),
            within => format!("{sign}{within} {}", self.of),
        }
    }

    fn fields(&self) -> Vec<Field> {
        let glance = |value: &Value| inline(&units::cut(&value.to_string(), GLANCE)).into_owned();
        let mut fields = Vec::new();
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => {
                let (old, new) = apart(old, new);
                let text = format!("{}: {} -> {}", place(&self.path), glance(&old), glance(&new));
                fields.push(Field { text, paint: Paint::Plain });
            }
            (old, new) => {
                let (sign, paint) = if new.is_some() { ('+', Paint::Green) } else { ('-', Paint::Red) };
                let mut leaves = Vec::new();
                if let Some(value) = new.as_ref().or(old.as_ref()) {
                    leaf(&self.path, value, &mut leaves);
                }
                // The head has said the type.
                for (path, value) in leaves.into_iter().filter(|(path, _)| path != "/resourceType") {
                    let path = place(&path);
                    let colon = if path.is_empty() { "" } else { ": " };
                    fields.push(Field { text: format!("{sign} {}{colon}{}", inline(&path), glance(value)), paint });
                }
            }
        }
        fields
    }
}

/// Two values as they are shown: of long texts what they begin with alike is left out, but for a few words.
fn apart<'a>(old: &'a Value, new: &'a Value) -> (Cow<'a, Value>, Cow<'a, Value>) {
    const WORDS: usize = 24;
    let (Value::String(was), Value::String(is)) = (old, new) else { return (Cow::Borrowed(old), Cow::Borrowed(new)) };
    let alike = was.chars().zip(is.chars()).take_while(|(a, b)| a == b).count();
    if alike <= WORDS || was.chars().count().max(is.chars().count()) < GLANCE {
        return (Cow::Borrowed(old), Cow::Borrowed(new));
    }
    let rest = |text: &str| Cow::Owned(Value::String(format!("…{}", text.chars().skip(alike - WORDS).collect::<String>())));
    (rest(was), rest(is))
}

/// The values below one, each with its place.
fn leaf<'a>(path: &str, value: &'a Value, into: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(key, member)| leaf(&format!("{path}/{key}"), member, into));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(at, item)| leaf(&format!("{path}/{at}"), item, into));
        }
        _ => into.push((path.to_owned(), value)),
    }
}

/// A JSON pointer as people write a place in a resource: `code.coding[0].code`.
fn place(pointer: &str) -> String {
    let mut place = String::new();
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit()) {
            place.push_str(&format!("[{token}]"));
        } else {
            if !place.is_empty() {
                place.push('.');
            }
            place.push_str(&token);
        }
    }
    inline(&place).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_texts_are_shown_where_they_part() {
        let (old, new) = (format!("{}a", "x".repeat(200)), format!("{}b", "x".repeat(200)));
        let (old, new) = (json!(old), json!(new));
        let (old, new) = apart(&old, &new);
        assert_eq!((old.as_str(), new.as_str()), (Some("…xxxxxxxxxxxxxxxxxxxxxxxxa"), Some("…xxxxxxxxxxxxxxxxxxxxxxxxb")));
        let (old, new) = (json!("ready"), json!("ready to go"));
        assert_eq!(apart(&old, &new), (Cow::Borrowed(&old), Cow::Borrowed(&new)));
    }

    #[test]
    fn a_run_reads_as_what_was_and_what_would_be() {
        let line = json!({
            "run": "run_yaj10h7549902s0jsayk03e81c", "group": "changed", "received": "2026-11-29T10:12:13Z", "trigger": "change", "subject": "Task/12 v1",
            "recorded": {"outcome": "done", "writes": 1}, "now": {"outcome": "done", "writes": 2},
            "changes": [
                {"in": "update", "of": "Task/12", "path": "/owner/reference", "old": "Practitioner/a", "new": "Practitioner/b"},
                {"in": "update", "of": "Task/12", "path": "/note/1", "new": {"text": "a\u{1b}[2J"}},
                {"in": "create", "of": "Task", "path": "", "new": {"status": "ready", "code": {"coding": [{"code": "x"}]}}},
                {"in": "timer", "of": "later", "path": "", "old": {"at": "2026-12-01T00:00:00Z"}},
            ],
            "marks": [{"why": "now", "asked": "Task?owner=1"}],
        });
        let Line::Compared(compared) = serde_json::from_value(line).unwrap() else { panic!("no run") };
        assert_eq!(
            compared.told(false),
            "  run_yaj10h7549902s0jsayk03e81c  change Task/12 v1, 2026-11-29 10:12:13Z\n    \
             not certain: Task?owner=1 is answered by what the source has now\n    \
             update Task/12\n      \
             owner.reference: \"Practitioner/a\" -> \"Practitioner/b\"\n      \
             + note[1].text: \"a\\u001b[2J\"\n    \
             + create Task\n      \
             + status: \"ready\"\n      \
             + code.coding[0].code: \"x\"\n    \
             - timer later\n      \
             - at: \"2026-12-01T00:00:00Z\""
        );
    }
}
