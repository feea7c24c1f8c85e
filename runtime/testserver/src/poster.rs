//! Sends notifications as real servers do: from a queue in memory, again where they fail, and not for ever.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::Post;
use crate::front::Counts;

/// How notifications are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// How often each is sent before it is dropped.
    pub attempts: u32,
    /// Between two attempts.
    pub spacing: Duration,
    /// How many are sent at once. With more than one their order is not kept; a failing one holds one of them up.
    pub posters: usize,
    /// How many wait; what comes then is dropped.
    pub queue: usize,
    /// How long an answer may take.
    pub timeout: Duration,
}

impl Default for Delivery {
    /// As HAPI: two at a time, 21 attempts over a minute, an answer within ten seconds.
    fn default() -> Self {
        Self { attempts: 21, spacing: Duration::from_secs(3), posters: 2, queue: 1000, timeout: Duration::from_secs(10) }
    }
}

pub(crate) fn start(delivery: Delivery, waiting: mpsc::Receiver<Post>, counts: Arc<Counts>) -> std::io::Result<JoinSet<()>> {
    let client = reqwest::Client::builder()
        .timeout(delivery.timeout)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent("hob-testserver")
        .build()
        .map_err(std::io::Error::other)?;
    let waiting = Arc::new(Mutex::new(waiting));
    let mut posters = JoinSet::new();
    for _ in 0..delivery.posters.max(1) {
        posters.spawn(work(client.clone(), delivery, Arc::clone(&waiting), Arc::clone(&counts)));
    }
    Ok(posters)
}

async fn work(client: reqwest::Client, delivery: Delivery, waiting: Arc<Mutex<mpsc::Receiver<Post>>>, counts: Arc<Counts>) {
    loop {
        let next = waiting.lock().await.recv().await;
        let Some(post) = next else { return };
        let told = if deliver(&client, delivery, &post).await { &counts.delivered } else { &counts.dropped };
        told.fetch_add(1, Ordering::SeqCst);
    }
}

async fn deliver(client: &reqwest::Client, delivery: Delivery, post: &Post) -> bool {
    for attempt in 1..=delivery.attempts {
        let request = reqwest::Request::try_from(post.request.clone());
        match request {
            Ok(request) => match client.execute(request).await {
                Ok(answer) if answer.status().is_success() => return true,
                Ok(answer) => tracing::debug!(attempt, status = answer.status().as_u16(), "a notification was refused"),
                Err(_) => tracing::debug!(attempt, "a notification did not arrive"),
            },
            Err(_) => return false,
        }
        if attempt < delivery.attempts {
            tokio::time::sleep(delivery.spacing).await;
        }
    }
    false
}
