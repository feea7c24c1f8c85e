//! Which server a world is on: one of its own.

use std::sync::Arc;

use hob_host::SystemClock;
use hob_model::BaseUrl;
use hob_tests::hapi::Options;
use hob_testserver::{Delivery, Running, Server, Settings};

/// The base URL of a new server with HAPI's manners and these options. It lives as long as the test's runtime.
pub fn base(options: Options) -> String {
    let (base, running) = start(|base| {
        let Options { client_ids, integrity } = options;
        Settings { client_ids, integrity, ..Settings::hapi(base) }
    });
    std::mem::forget(running);
    base
}

pub fn start(settings: impl FnOnce(BaseUrl) -> Settings) -> (String, Running) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let base = BaseUrl::new(&format!("http://{}/fhir", listener.local_addr().unwrap())).unwrap();
    let server = Server::new(settings(base.clone()));
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    (base.to_string(), Running::start(listener, server, Arc::new(SystemClock), Delivery::default()).unwrap())
}
