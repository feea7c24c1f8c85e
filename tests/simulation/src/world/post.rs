//! The server's notifications on their way to whichever host is up: late, twice, out of order, or never.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hob_testserver::Post;
use http::Request;
use rand::RngExt as _;
use tower::ServiceExt as _;

use super::World;

/// The longest that a notification is on its way: enough for quick updates to overtake one another.
const FAIR: Duration = Duration::from_millis(60);
/// The longest that a late one is.
const LATE: Duration = Duration::from_secs(45);
/// How often a server tries, and how long it waits in between.
const TRIES: u32 = 4;
const BETWEEN: Duration = Duration::from_secs(2);
/// How long it waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

impl World {
    /// Sends what the server wants sent.
    pub(super) fn post(self: &Arc<Self>, posts: Vec<Post>) {
        for post in posts {
            let mut state = self.state();
            let weather = &mut state.weather;
            if weather.lose_posts > 0 {
                weather.lose_posts -= 1;
                drop(state);
                self.tell(|| format!("the notification of {}/{} version {} is lost", post.resource_type, post.id, post.version));
                continue;
            }
            let repeated = weather.repeat_posts > 0;
            weather.repeat_posts -= u32::from(repeated);
            let late = weather.late_posts > 0;
            weather.late_posts -= u32::from(late);
            let copies = if repeated { state.rng.random_range(2..4) } else { 1 };
            state.posts += copies;
            drop(state);
            for _ in 0..copies {
                let (world, request) = (Arc::clone(self), post.request.clone());
                let first = self.span(if late { LATE } else { FAIR });
                tokio::spawn(async move {
                    tokio::time::sleep(first).await;
                    world.deliver(request).await;
                    world.state().posts -= 1;
                });
            }
        }
    }

    /// Tries until somebody answers 2xx, or gives up.
    async fn deliver(&self, request: Request<Bytes>) {
        for _ in 0..TRIES {
            let router = self.state().router.clone();
            if let Some(router) = router {
                let sent = tokio::time::timeout(PATIENCE, router.oneshot(request.clone().map(Body::from))).await;
                if let Ok(Ok(response)) = sent
                    && response.status().is_success()
                {
                    self.state().taken.push(request);
                    return;
                }
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }
}
