//! Runs the real `hob` against a real HTTP server with canned answers; a snapshot holds exit code, both streams and what was asked.

#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(clippy::unwrap_used, reason = "only tests use it; clippy does not see that of a file beside them")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};

pub(crate) const TOKEN: &str = "token-that-must-not-be-seen";

type Answers = BTreeMap<String, (u16, String)>;

/// A host that answers what it was told to, and writes down what it was asked.
pub(crate) struct Canned {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Canned {
    /// `answers`: "METHOD /path?query" to status and body. What is not listed is a 404 as the admin API has it.
    pub(crate) fn start(answers: &[(&str, u16, &str)]) -> Self {
        let answers: Arc<Answers> =
            Arc::new(answers.iter().map(|(call, status, body)| ((*call).to_owned(), (*status, (*body).to_owned()))).collect());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let written = Arc::clone(&asked);
        let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let (answers, written) = (Arc::clone(&answers), Arc::clone(&written));
            async move { answer(&answers, &written, &method, &uri, &headers, &body) }
        };
        runtime.spawn(async move { axum::serve(listener, axum::Router::new().fallback(handler)).await });
        Self { address, asked, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Runs `hob` against it and gives all that can be seen.
    pub(crate) fn hob(&self, args: &[&str]) -> String {
        self.hob_with(args, &[("HOB_ADMIN_TOKEN", TOKEN)], "")
    }

    pub(crate) fn hob_with(&self, args: &[&str], env: &[(&str, &str)], stdin: &str) -> String {
        let url = self.url();
        let mut env = env.to_vec();
        env.push(("HOB_HOST", &url));
        let mut seen = hob(args, &env, stdin).replace(&url, "http://HOST").replace(&self.address.to_string(), "HOST");
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        if !asked.is_empty() {
            let _ = write!(seen, "--- asked\n{}\n", asked.join("\n"));
        }
        seen
    }
}

fn answer(
    answers: &Answers,
    written: &Mutex<Vec<String>>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response {
    let call = format!("{method} {uri}");
    let mut note = call.clone();
    if let Some(kind) = headers.get("content-type") {
        let _ = write!(note, " [{}] {}", kind.to_str().unwrap(), String::from_utf8_lossy(body));
    }
    let token = headers.get("authorization").and_then(|value| value.to_str().ok());
    if token != Some(&format!("Bearer {TOKEN}")) {
        note.push_str(" (without the token)");
    }
    written.lock().unwrap().push(note);
    let missing = (404, r#"{"error":{"code":"not-found","message":"there is nothing here","help":"look elsewhere"}}"#.to_owned());
    let (status, body) = answers.get(&call).unwrap_or(&missing).clone();
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

/// Runs `hob` with no environment but `env`, and gives exit code and both streams.
pub(crate) fn hob(args: &[&str], env: &[(&str, &str)], stdin: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hob"))
        .args(args)
        .env_clear()
        .env("COLUMNS", "100")
        .envs(env.iter().copied())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads no stdin may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(!stdout.contains(TOKEN) && !stderr.contains(TOKEN), "the token is seen");
    let code = output.status.code().map_or("none".to_owned(), |code| code.to_string());
    let mut seen = format!("hob {}\nexit {code}\n", args.join(" "));
    for (name, text) in [("stdout", stdout), ("stderr", stderr)] {
        if !text.is_empty() {
            let _ = write!(seen, "--- {name}\n{text}{}", if text.ends_with('\n') { "" } else { "<no line end>\n" });
        }
    }
    seen
}
