//! The server on a socket, and what it posts.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use hob_model::{BaseUrl, ManualClock};
use hob_testserver::{Deliveries, Delivery, Running, Server, Settings};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A receiver that refuses what is about a resource with an `x` in its id, and tells of everything.
async fn receiver() -> (String, mpsc::Receiver<String>) {
    let (told, seen) = mpsc::channel(100);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/in", listener.local_addr().unwrap());
    let router = Router::new().fallback(receive).with_state(told);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (endpoint, seen)
}

async fn receive(State(told): State<mpsc::Sender<String>>, request: Request) -> StatusCode {
    let line = format!("{} {}", request.method(), request.uri());
    let refused = line.contains("/x");
    told.send(line).await.unwrap();
    if refused { StatusCode::NOT_FOUND } else { StatusCode::NO_CONTENT }
}

async fn running(delivery: Delivery) -> (Running, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/fhir", listener.local_addr().unwrap());
    let server = Server::new(Settings::hapi(BaseUrl::new(&base).unwrap()));
    (Running::start(listener, server, Arc::new(ManualClock::default()), delivery).unwrap(), base)
}

async fn put(base: &str, resource: Value) -> Value {
    let url = format!("{base}/{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
    let answer = reqwest::Client::new().put(url).body(resource.to_string()).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

fn subscription(endpoint: &str) -> Value {
    json!({
        "resourceType": "Subscription", "id": "s", "status": "requested", "criteria": "Patient?",
        "channel": {"type": "rest-hook", "endpoint": endpoint, "payload": "application/fhir+json"},
    })
}

#[tokio::test]
async fn notifications_are_repeated_and_then_dropped() {
    let (endpoint, mut seen) = receiver().await;
    let (running, base) =
        running(Delivery { attempts: 3, spacing: Duration::from_millis(1), posters: 1, ..Delivery::default() }).await;
    put(&base, subscription(&endpoint)).await;
    for id in ["a", "x", "b"] {
        let made = put(&base, json!({"resourceType": "Patient", "id": id})).await;
        assert_eq!(made["meta"]["versionId"], "1");
    }
    for expected in ["a", "x", "x", "x", "b"] {
        assert_eq!(seen.recv().await.unwrap(), format!("PUT /in/Patient/{expected}"));
    }
    // With one poster, that the last one was sent says that the ones before are settled.
    let Deliveries { delivered, dropped } = running.deliveries();
    assert!(dropped == 1 && (1..=2).contains(&delivered), "{delivered} {dropped}");
}

#[tokio::test]
async fn what_finds_the_queue_full_is_dropped() {
    let (endpoint, mut seen) = receiver().await;
    let delivery = Delivery { attempts: 1, posters: 1, queue: 2, ..Delivery::default() };
    let (running, base) = running(delivery).await;
    put(&base, subscription(&endpoint)).await;
    // All in one commit, so that none can be taken from the queue in between.
    let entry = |id: u8| {
        let resource = json!({"resourceType": "Patient", "id": format!("p{id}")});
        json!({"request": {"method": "PUT", "url": format!("Patient/p{id}")}, "resource": resource})
    };
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": (0..5).map(entry).collect::<Vec<_>>()});
    let answer = reqwest::Client::new().post(&base).body(bundle.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(running.deliveries().dropped, 3);
    assert_eq!([seen.recv().await.unwrap(), seen.recv().await.unwrap()], ["PUT /in/Patient/p0", "PUT /in/Patient/p1"]);
}

#[tokio::test]
async fn it_can_be_looked_into_and_ends_when_dropped() {
    let (running, base) = running(Delivery::default()).await;
    running.with(|server| {
        let seeds = json!({"resourceType": "Bundle", "type": "collection", "entry": [
            {"resource": {"resourceType": "Patient", "id": "a"}}, {"resource": {"resourceType": "Patient"}}]});
        assert_eq!(server.seed(hob_model::Timestamp::default(), seeds), Ok(2));
        let failed = server.seed(hob_model::Timestamp::default(), json!({"resourceType": "Tusk"})).unwrap_err();
        assert_eq!(failed.index, 0);
    });
    let client = reqwest::Client::new();
    assert_eq!(client.get(format!("{base}/Patient/a")).send().await.unwrap().status(), 200);
    assert_eq!(running.with(|server| server.current().count()), 2);
    let address = running.address();
    drop(running);
    // The listener goes with its task.
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
