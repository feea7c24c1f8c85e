//! Waiting for what must come: by asking again and again until a deadline, never for a fixed time.

use std::time::Duration;

/// How long a slow machine may take for what a quick one does at once.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Asks until there is an answer. The clock is tokio's timer, so that a machine that stands still does not use up the patience.
///
/// # Panics
/// When [`PATIENCE`] is over; `what` says for what it waited.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(answer) => answer,
        Err(_) => panic!("waited {} s in vain for: {what}", PATIENCE.as_secs()),
    }
}
