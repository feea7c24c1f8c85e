//! `hob dev` as a process: its output is read as it comes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use serde_json::Value;

use crate::place::Place;

/// Longer than a build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(900);

/// A running session.
pub(crate) struct Session {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Session {
    pub(crate) fn start(place: &Place, folder: &str, args: &[&str]) -> Self {
        let mut command = place.command("hob", folder);
        let mut child =
            command.arg("dev").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = sync_channel(10_000);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let both = tell.clone();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(|line| drop(both.send(line))));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| drop(tell.send(line))));
        Self { stdin: child.stdin.take().unwrap(), child, lines }
    }

    /// The lines up to one that has `until` in it, with that; without those that only a slow build has.
    pub(crate) fn until(&self, until: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line with {until:?}; seen: {seen:#?}"));
            if line.starts_with("  still building ") {
                continue;
            }
            let found = line.contains(until);
            seen.push(line);
            if found {
                return seen;
            }
        }
    }

    /// The next object of this kind, in a session with `--json`.
    pub(crate) fn shown(&self, kind: &str) -> Value {
        let line = self.until(&format!("\"shown\":\"{kind}\"")).pop().unwrap();
        serde_json::from_str(&line).unwrap()
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An edit of a bot, an edit on the server, a command: each is answered by a run, and by what it changed.
#[test]
fn a_session_runs_what_changes() {
    let place = Place::new();
    assert_eq!(place.hob(".", &["new", "watched"]).0, 0);
    let file = |name: &str| place.path().join("watched").join(name);
    let mut session = Session::start(&place, "watched", &["--listen", "127.0.0.1:0", "--json"]);
    let base = session.shown("listens")["base"].as_str().unwrap().to_owned();
    assert_eq!(session.shown("cases")["failed"], serde_json::json!([]));

    // A file of events that is saved.
    let event = std::fs::read_to_string(file("dev/events/stat-task.json")).unwrap();
    std::fs::write(file("dev/events/stat-task.json"), &event).unwrap();
    let ran = session.shown("ran");
    assert_eq!(ran["changes"][0]["after"]["code"]["text"], "Has a stat task");
    assert_eq!(ran["calls"][0]["function"], "fhir.create");

    // The bot changed: the same event, on the server as it was before, so that the flag is made and not found.
    let source = std::fs::read_to_string(file("src/lib.rs")).unwrap();
    std::fs::write(file("src/lib.rs"), source.replace("Has a stat task", "Is waited for")).unwrap();
    let ran = session.shown("ran");
    assert_eq!((&ran["again"], &ran["changes"][0]["after"]["code"]["text"]), (&true.into(), &"Is waited for".into()));
    assert_eq!(session.shown("cases")["failed"], serde_json::json!(["01-stat-task"]));

    // An edit on the server, by anybody who speaks HTTP.
    let curl = |method: &str, path: &str, body: &str| {
        let url = format!("{base}/{path}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = reqwest::Client::new();
        let request =
            client.request(method.parse().unwrap(), url).header("content-type", "application/fhir+json").body(body.to_owned());
        runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() })
    };
    curl("PUT", "Task/t2", &event.replace("t1", "t2"));
    assert_eq!(session.shown("ran")["what"], "create Task/t2");
    let flags: Value = serde_json::from_str(&curl("GET", "Flag?_count=10", "")).unwrap();
    assert_eq!(flags["total"], 2, "{flags}");
    curl("PUT", "Task/t3", &event.replace("t1", "t3").replace("\"stat\"", "\"routine\""));
    assert_eq!(session.shown("not-wanted")["what"], "create Task/t3");

    // A crash, with its place; and what no compiler takes.
    std::fs::write(
        file("src/lib.rs"),
        source
            .replace("let task: Task", "let all: [u8; 1] = [0]; let at = event.run.len(); let _ = all[at];\n    let task: Task"),
    )
    .unwrap();
    let ran = session.shown("ran");
    assert_eq!(ran["failure"]["code"], "trap");
    assert!(ran["failure"]["message"].as_str().unwrap().contains("src/lib.rs:"), "{ran}");
    std::fs::write(file("src/lib.rs"), source.replace("let task: Task", "let task: Tusk")).unwrap();
    let wrong = session.until("build-failed").pop().unwrap();
    assert!(wrong.contains("cannot find type `Tusk`"), "{wrong}");
    std::fs::write(file("src/lib.rs"), &source).unwrap();
    assert_eq!(session.shown("ran")["failure"], Value::Null);

    session.say("t");
    assert_eq!(session.shown("nothing")["why"], "no timer is set");
    session.say("q");
    assert!(session.child.wait().unwrap().success());
}
