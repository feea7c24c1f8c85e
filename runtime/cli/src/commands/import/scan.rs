//! What a bot's source seems to do: a look at its text, not an understanding of it. So all that comes out of here is marked as a guess.

use std::collections::{BTreeMap, BTreeSet};

/// What was seen.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Letters of SMART scopes by type, in no order.
    pub(super) scopes: BTreeMap<String, BTreeSet<char>>,
    /// Names of secrets.
    pub(super) secrets: BTreeSet<String>,
    /// Hosts and paths that `fetch` is given.
    pub(super) hosts: BTreeSet<String>,
    /// What it does that has no counterpart.
    pub(super) left: Vec<String>,
    /// Calls whose type is not in the text.
    pub(super) unknown: BTreeSet<String>,
}

/// Methods of Medplum's client, and the letters that each needs.
const CALLS: [(&str, &str); 18] = [
    ("readResource", "r"),
    ("readReference", "r"),
    ("readHistory", "r"),
    ("readVersion", "r"),
    ("searchOne", "s"),
    ("searchResources", "s"),
    ("searchResourcePages", "s"),
    ("search", "s"),
    ("createResourceIfNoneExist", "cs"),
    ("createResource", "c"),
    ("updateResource", "ru"),
    ("upsertResource", "crus"),
    ("patchResource", "ru"),
    ("deleteResource", "d"),
    ("createBinary", "c"),
    ("createAttachment", "c"),
    ("getPatientEverything", "r"),
    ("executeBatch", ""),
];

/// Looks at a source. `triggers` are the types whose changes run it: what it updates without naming a type is mostly one of those.
pub(super) fn source(text: &str, triggers: &[String]) -> Seen {
    let text = without_comments(text);
    let mut seen = Seen::default();
    for (at, _) in text.match_indices("medplum.") {
        let rest = &text[at + "medplum.".len()..];
        let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        let Some((_, letters)) = CALLS.iter().find(|(call, _)| *call == name) else {
            if name == "sendEmail" {
                seen.left.push(
                    "sendEmail: Medplum sends it; give Hob an [[http]] rule for your mail service, and send it by fetch"
                        .to_owned(),
                );
            }
            continue;
        };
        if name.starts_with("createBinary") || name.starts_with("createAttachment") {
            seen.add("Binary", "c");
            continue;
        }
        let arguments = call(rest);
        let types = types_in(arguments);
        if name == "executeBatch" {
            batch(&text, &mut seen);
        } else if types.is_empty() {
            seen.unknown.insert(name.clone());
            for kind in triggers.iter().filter(|_| letters.contains('u') || name == "readHistory") {
                seen.add(kind, letters);
            }
        } else {
            // The first names what the call is for; those inside are of resources that it holds.
            seen.add(types[0], letters);
        }
    }
    seen.secrets = secrets(&text);
    seen.hosts = hosts(&text);
    seen
}

impl Seen {
    fn add(&mut self, kind: &str, letters: &str) {
        self.scopes.entry(kind.to_owned()).or_default().extend(letters.chars());
    }
}

/// The text of a call: its type arguments and its arguments, up to the closing parenthesis.
fn call(rest: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in rest.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth <= 1 => return &rest[..at],
            ')' => depth -= 1,
            ';' if depth == 0 => return &rest[..at],
            _ => {}
        }
    }
    rest
}

/// Names of resource types: `<Patient>`, `'Patient'`, `'Patient?…'`, `'Patient/…'`.
fn types_in(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(['<', '\'', '"', '`']) {
        let rest = &text[at + 1..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let word = &rest[..end];
        if hob_host::moving::judged(word).is_ok() && word.starts_with(|c: char| c.is_ascii_uppercase()) {
            found.push(word);
        }
    }
    found
}

/// A batch's entries have their type in `url`, and what is done in `method`, somewhere in the text.
fn batch(text: &str, seen: &mut Seen) {
    let mut found = false;
    for (at, _) in text.match_indices("url:") {
        let rest = &text[at..];
        let line = &rest[..rest.find(['\n', '}']).unwrap_or(rest.len())];
        let before = text[..at].rfind("method:").map_or("", |from| &text[from..at]);
        let letters = match () {
            () if before.contains("POST") => "c",
            () if before.contains("PUT") || before.contains("PATCH") => "ru",
            () if before.contains("DELETE") => "d",
            () => "rs",
        };
        for kind in types_in(line) {
            found = true;
            seen.add(kind, letters);
        }
    }
    if !found {
        seen.unknown.insert("executeBatch".to_owned());
    }
}

/// `secrets['NAME']`, `secrets["NAME"]` and `secrets.NAME`.
fn secrets(text: &str) -> BTreeSet<String> {
    let after = text.match_indices("secrets").map(|(at, word)| text[at + word.len()..].trim_start_matches(['?', '!']));
    after
        .filter_map(|rest| {
            let rest = rest.strip_prefix('.').unwrap_or(rest);
            let rest = rest.strip_prefix("[").map_or(rest, |inner| inner.trim_start_matches(['\'', '"', '`']));
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '-').collect();
            (!name.is_empty() && name.len() <= 64).then_some(name)
        })
        .collect()
}

/// Hosts of URLs in the text, where it fetches at all.
fn hosts(text: &str) -> BTreeSet<String> {
    if !text.contains("fetch(") {
        return BTreeSet::new();
    }
    let after = text.match_indices("https://").map(|(at, scheme)| &text[at + scheme.len()..]);
    let host = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || ".-:".contains(*c)).collect::<String>();
    // Canonicals and code systems are URLs too.
    let names = ["hl7.org", "snomed.info", "loinc.org", "medplum.com", "unitsofmeasure.org", "nlm.nih.gov"];
    after.map(host).filter(|host| host.contains('.') && !names.iter().any(|name| host.ends_with(name))).collect()
}

/// The text without `//` and `/* */`, but for those in strings.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut quote = None;
    while let Some(c) = chars.next() {
        match (quote, c, chars.peek()) {
            (Some(_), '\\', _) => {
                out.push(c);
                out.extend(chars.next());
            }
            (Some(open), c, _) if c == open => {
                quote = None;
                out.push(c);
            }
            (None, '\'' | '"' | '`', _) => {
                quote = Some(c);
                out.push(c);
            }
            (None, '/', Some('/')) => {
                while chars.peek().is_some_and(|next| *next != '\n') {
                    chars.next();
                }
            }
            (None, '/', Some('*')) => {
                let mut last = ' ';
                chars.next();
                for next in chars.by_ref() {
                    if (last, next) == ('*', '/') {
                        break;
                    }
                    last = next;
                }
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
        // medplum.deleteResource('Patient', 'x') is only talked of.
        export async function handler(medplum: MedplumClient, event: BotEvent<Observation>): Promise<any> {
          const key = event.secrets['API_KEY']?.valueString, other = event.secrets.OTHER;
          const patient = await medplum.readResource('Patient', id);
          const tasks = await medplum.searchResources('Task', { status: 'ready' });
          await medplum.createResource<Communication>({ resourceType: 'Communication', subject: createReference(patient) });
          await medplum.updateResource({ ...event.input, status: 'amended' });
          await medplum.createResourceIfNoneExist<Flag>({ resourceType: 'Flag' }, 'identifier=x');
          await fetch('https://api.example.com/v1/send', { method: 'POST' }); /* fetch('https://not.example.org') */
          await medplum.sendEmail({ to: 'x' });
          await medplum.executeBatch({ resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'POST', url: 'Basic' } }] });
        }"#;

    #[test]
    fn what_a_source_does_is_seen() {
        let seen = source(SOURCE, &["Observation".to_owned()]);
        let scopes: Vec<String> =
            seen.scopes.iter().map(|(kind, letters)| format!("{kind}.{}", letters.iter().collect::<String>())).collect();
        assert_eq!(scopes, ["Basic.c", "Communication.c", "Flag.cs", "Observation.ru", "Patient.r", "Task.s"]);
        assert_eq!(seen.secrets.iter().map(String::as_str).collect::<Vec<_>>(), ["API_KEY", "OTHER"]);
        assert_eq!(seen.hosts.iter().map(String::as_str).collect::<Vec<_>>(), ["api.example.com"]);
        assert!(seen.left[0].starts_with("sendEmail"));
        assert_eq!(seen.unknown.iter().map(String::as_str).collect::<Vec<_>>(), ["updateResource"]);
    }

    #[test]
    fn text_that_breaks_off_is_no_panic() {
        for end in 0..SOURCE.len() {
            if SOURCE.is_char_boundary(end) {
                let _ = source(&SOURCE[..end], &[]);
            }
        }
    }
}
