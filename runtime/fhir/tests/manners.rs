//! The client against a server that misbehaves: a real HTTP server on loopback, scripted answer by answer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails says so by a panic")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use hob_fhir::{Client, ClientConfig, Credentials, FhirErrorKind, Secret};
use hob_model::{BaseUrl, Clock as _, ManualClock, Timestamp};

#[derive(Default)]
struct Script {
    answers: VecDeque<Response>,
    seen: Vec<String>,
}

type Shared = Arc<Mutex<Script>>;

/// Answers what it was told to, one after the other, and remembers each request's line and `Authorization`.
async fn server(answers: impl IntoIterator<Item = Response>) -> (String, Shared) {
    let script = Arc::new(Mutex::new(Script { answers: answers.into_iter().collect(), seen: Vec::new() }));
    let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (base, script)
}

async fn answer(State(script): State<Shared>, request: Request) -> Response {
    let header = |name: &str| request.headers().get(name).map_or(String::new(), |value| format!(" {}", value.to_str().unwrap()));
    let line = format!("{} {}{}{}", request.method(), request.uri(), header("authorization"), header("prefer"));
    let mut script = script.lock().unwrap();
    script.seen.push(line);
    script.answers.pop_front().unwrap_or_else(|| status(500, &[], ""))
}

fn status(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let builder = headers.iter().fold(Response::builder().status(status), |builder, (name, value)| builder.header(*name, *value));
    builder.body(Body::from(body.to_owned())).unwrap()
}

fn patient() -> Response {
    status(200, &[("content-type", "text/plain")], r#"{"resourceType": "Patient", "id": "1", "meta": {"versionId": "a-b"}}"#)
}

fn token(value: &str, life: u64) -> Response {
    status(200, &[], &format!(r#"{{"access_token": "{value}", "token_type": "Bearer", "expires_in": {life}}}"#))
}

fn config() -> ClientConfig {
    ClientConfig { longest_wait: Duration::from_secs(1), max_body: 4096, ..ClientConfig::default() }
}

fn client(base: &str) -> Client {
    Client::at(&BaseUrl::new(base).unwrap(), Credentials::None, config(), Arc::new(ManualClock::default())).unwrap()
}

fn lines(script: &Shared) -> Vec<String> {
    script.lock().unwrap().seen.clone()
}

#[tokio::test]
async fn reads_are_repeated_and_writes_are_not() {
    let later = || status(503, &[("retry-after", "0")], "busy");
    let (base, script) = server([later(), status(429, &[], ""), patient(), later()]).await;
    let client = client(&base);
    let found = client.read(&"Patient/1".parse().unwrap()).await.unwrap();
    assert_eq!(found.version.as_str(), "a-b");
    let error = client.update(&found.resource, Some(&found.version)).await.unwrap_err();
    assert_eq!((error.kind, error.retry_after), (FhirErrorKind::Unavailable, Some(Duration::ZERO)));
    assert_eq!(lines(&script), ["GET /Patient/1", "GET /Patient/1", "GET /Patient/1", "PUT /Patient/1"]);
}

#[tokio::test]
async fn a_long_retry_after_is_left_to_the_caller() {
    let date = [("retry-after", "Sun, 22 Nov 2026 05:36:00 GMT"), ("date", "Sun, 22 Nov 2026 05:35:00 GMT")];
    let (base, script) = server([status(429, &[("retry-after", "120")], ""), status(503, &date, "")]).await;
    for wait in [120, 60] {
        let error = client(&base).read(&"Patient/1".parse().unwrap()).await.unwrap_err();
        assert_eq!(error.retry_after, Some(Duration::from_secs(wait)));
    }
    assert_eq!(lines(&script).len(), 2);
}

#[tokio::test]
async fn redirects_floods_and_web_pages_are_refused() {
    let flood = "x".repeat(5000);
    let (base, script) = server([
        status(302, &[("location", "http://127.0.0.1:1/")], ""),
        status(200, &[], &flood),
        status(200, &[], "<html>"),
        status(200, &[], r#"{"resourceType": "Patient"}"#),
        status(404, &[], &flood),
    ])
    .await;
    let client = client(&base);
    for kind in [
        FhirErrorKind::Refused,
        FhirErrorKind::Protocol,
        FhirErrorKind::Protocol,
        FhirErrorKind::Protocol,
        FhirErrorKind::NotFound,
    ] {
        let error = client.read(&"Patient/1".parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    }
    assert_eq!(lines(&script).len(), 5);
    // Ids of dots would name the type, or everything.
    let error = client.delete(&"Patient/..".parse().unwrap(), None).await.unwrap_err();
    assert_eq!(error.kind, FhirErrorKind::Invalid);
    assert_eq!(lines(&script).len(), 5);
}

#[tokio::test]
async fn a_compressed_bomb_ends_at_the_bound() {
    // 20 KB of zeros, gzip -9.
    let bomb = data_encoding::BASE64.decode(b"H4sIAAAAAAACA+3BMQEAAADCoPVPbQ0PoAAAAAAAAAAAAAAAAAAAAAAAAAB4MAJTL5cgTgAA").unwrap();
    let answer = Response::builder().header("content-encoding", "gzip").body(Body::from(bomb)).unwrap();
    let (base, _) = server([answer]).await;
    let error = client(&base).read(&"Patient/1".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind, FhirErrorKind::Protocol, "{error}");
    assert!(error.message.contains("larger than 4096 bytes"), "{error}");
}

#[tokio::test]
async fn a_search_that_dropped_a_parameter_is_an_error() {
    let bundle = |own: &str| {
        status(
            200,
            &[],
            &format!(r#"{{"resourceType": "Bundle", "type": "searchset", "link": [{{"relation": "self", "url": "{own}"}}]}}"#),
        )
    };
    let elsewhere = r#"{"resourceType": "Bundle", "link": [{"relation": "self", "url": "?a=1"}, {"relation": "next", "url": "http://evil.example/"}]}"#;
    let (base, script) =
        server([bundle("http://h/Task?status=ready"), bundle("http://h/Task"), status(200, &[], elsewhere)]).await;
    let client = client(&base);
    let task = "Task".parse().unwrap();
    client.search(&task, "status=ready").await.unwrap();
    let error = client.search(&task, "status=ready").await.unwrap_err();
    assert_eq!(error.kind, FhirErrorKind::SearchIgnored);
    assert_eq!(client.search(&task, "a=1").await.unwrap_err().kind, FhirErrorKind::Refused);
    assert_eq!(lines(&script)[0], "GET /Task?status=ready handling=strict");
}

#[tokio::test]
async fn tokens_are_fetched_once_kept_and_renewed() {
    let (fhir, script) =
        server([patient(), patient(), patient(), status(401, &[], ""), patient(), status(401, &[], ""), status(401, &[], "")])
            .await;
    let (tokens, asked) = server([token("one", 300), token("two", 300), token("three", 300), token("four", 300)]).await;
    let credentials = Credentials::ClientCredentials {
        token_url: format!("{tokens}/token"),
        client_id: "hob:1".to_owned(),
        client_secret: Secret::new("s%1"),
        scope: Some("system/*.cruds".to_owned()),
    };
    assert!(!format!("{credentials:?}").contains("s%1"));
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
    let client = Client::at(&BaseUrl::new(&fhir).unwrap(), credentials, config(), Arc::clone(&clock) as _).unwrap();
    let reference = "Patient/1".parse().unwrap();
    // Two at once share one token; it is renewed a minute before it ends.
    let (first, second) = tokio::join!(client.read(&reference), client.read(&reference));
    first.unwrap();
    second.unwrap();
    assert_eq!(lines(&asked), ["POST /token Basic aG9iJTNBMTpzJTI1MQ=="]);
    clock.set(clock.now() + Duration::from_secs(241));
    client.read(&reference).await.unwrap();
    assert_eq!(lines(&asked).len(), 2);
    // Refused once: renewed and sent again. Refused again: an error.
    client.read(&reference).await.unwrap();
    let error = client.read(&reference).await.unwrap_err();
    assert_eq!((error.kind, error.was_not_processed()), (FhirErrorKind::Unauthorized, true));
    let bearers: Vec<_> = lines(&script).iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
    assert_eq!(bearers, ["one", "one", "two", "two", "three", "three", "four"]);
}

#[tokio::test]
async fn what_was_never_sent_is_told_from_what_was_lost() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = client(&format!("http://127.0.0.1:{port}")).transaction("{}".into()).await.unwrap_err();
    assert_eq!((error.kind, error.was_not_processed()), (FhirErrorKind::Unreachable, true));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let mut first = [0; 1];
            let _ = tokio::io::AsyncReadExt::read(&mut { socket }, &mut first).await;
        }
    });
    let error = client(&base).transaction("{}".into()).await.unwrap_err();
    assert_eq!((error.kind, error.was_not_processed()), (FhirErrorKind::Lost, false));
}
