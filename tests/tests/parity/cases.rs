//! The requests, as they stand in `cases/*.http`.
//!
//! A request is its line (`GET Patient?name=ann`), headers below it, and a body up to an empty line; an empty line stands between headers and a
//! body. `=> a, b` behind it gives names to the ids that the server chose (of a Bundle, entry by entry), which later requests write `{{a}}`;
//! `{{base}}` is the server's own URL. `# differs: why` before it says that the servers are known to differ there; other lines with # are for the
//! reader.

use std::fs;
use std::path::Path;

/// One request to both servers.
#[derive(Debug, Default)]
pub struct Case {
    /// File and line.
    pub at: String,
    pub method: String,
    /// Below the base, without a slash.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
    /// What the ids that the server chooses are called.
    pub names: Vec<String>,
    /// Why the servers differ here.
    pub differs: Option<String>,
}

/// All requests, file by file, in order.
pub fn all() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/cases");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            read(&name, &fs::read_to_string(file).unwrap())
        })
        .collect()
}

fn read(file: &str, text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut differs = None;
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if let Some(why) = line.strip_prefix("# differs: ") {
            differs = Some(why.to_owned());
            continue;
        }
        let Some((method, rest)) = request(line) else { continue };
        let (path, names) = rest.split_once(" => ").unwrap_or((rest, ""));
        let mut case = Case {
            at: format!("{file}:{}", number + 1),
            method: method.to_owned(),
            path: path.trim_start_matches('/').to_owned(),
            names: names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            differs: differs.take(),
            ..Case::default()
        };
        while let Some((name, value)) = lines.peek().and_then(|(_, line)| header(line)) {
            case.headers.push((name.to_owned(), value.to_owned()));
            lines.next();
        }
        if !case.headers.is_empty() && lines.peek().is_some_and(|(_, line)| line.is_empty()) {
            lines.next();
        }
        let mut body = Vec::new();
        while let Some((_, line)) = lines.peek()
            && !line.is_empty()
            && (!body.is_empty() || (request(line).is_none() && !line.starts_with('#')))
        {
            body.push(*line);
            lines.next();
        }
        case.body = (!body.is_empty()).then(|| body.join("\n"));
        cases.push(case);
    }
    cases
}

fn request(line: &str) -> Option<(&str, &str)> {
    let (method, rest) = line.split_once(' ')?;
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].contains(&method).then_some((method, rest))
}

fn header(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(": ")?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
    is_name.then_some((name, value))
}

#[test]
fn requests_are_read_with_headers_bodies_and_names() {
    let text = "# a note\nPOST Patient => a\nPrefer: return=minimal\n\n{\"x\":\n1}\n\nGET Patient/{{a}}\n# differs: so it is\nPOST /\n{}\n\nPOST Patient\nPOST Task\n";
    let seen: Vec<String> = read("f", text)
        .iter()
        .map(|c| format!("{} {} {} {:?} {:?} {:?} {:?}", c.at, c.method, c.path, c.headers.len(), c.body, c.names, c.differs))
        .collect();
    assert_eq!(
        seen,
        [
            "f:2 POST Patient 1 Some(\"{\\\"x\\\":\\n1}\") [\"a\"] None",
            "f:8 GET Patient/{{a}} 0 None [] None",
            "f:10 POST  0 Some(\"{}\") [] Some(\"so it is\")",
            "f:13 POST Patient 0 None [] None",
            "f:14 POST Task 0 None [] None",
        ]
    );
}
