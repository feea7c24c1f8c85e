//! The server on a socket, for `curl` and for people's programs.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::desk::Desk;
use super::input::Input;

/// The most bytes of a request's body.
const MOST_BODY: usize = 64 << 20;

/// Serves until the task is ended.
pub(super) async fn serve(listener: TcpListener, desk: Desk, inputs: mpsc::Sender<Input>) {
    let router = Router::new().fallback(answer).with_state((desk, inputs));
    // It ends with its listener alone, and then there is nobody to be told.
    let _ = axum::serve(listener, router).await;
}

async fn answer(State((desk, inputs)): State<(Desk, mpsc::Sender<Input>)>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MOST_BODY).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    let response = desk.handle(http::Request::from_parts(parts, body), false).map(Body::from);
    if !reads {
        // Where it is full, a look at what was written is under way anyway.
        let _ = inputs.try_send(Input::Written);
    }
    response
}
