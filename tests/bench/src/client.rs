//! HTTP clients that keep their connections: as little as one can send a request with, since whatever they cost is in both sides of a ratio.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::report::Outcome;

/// One connection.
pub(crate) struct Connection {
    send: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (send, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends with the connection; a failure shows at the next request.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { send, host: address.to_string() })
    }

    /// `count` connections.
    pub(crate) async fn open_all(address: SocketAddr, count: usize) -> Outcome<Vec<Self>> {
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            all.push(Self::open(address).await?);
        }
        Ok(all)
    }

    /// Sends one request and reads the whole answer. Anything but 2xx is an error.
    pub(crate) async fn call(&mut self, method: Method, path: &str, authorization: &str, body: Bytes) -> Outcome<Bytes> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .header("authorization", authorization)
            .header("content-type", "application/fhir+json")
            .body(Full::new(body))?;
        self.send.ready().await?;
        let answer = self.send.send_request(request).await?;
        let status: StatusCode = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status.is_success() { Ok(body) } else { Err(format!("{path} was answered {status}").into()) }
    }
}
