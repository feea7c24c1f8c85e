//! A raw file with group commit: what a durable append costs where nothing else is done.
//!
//! One thread takes what is queued, appends it by one write, calls fdatasync once and wakes all who waited: the same scheme, and the same
//! bounds, as the ledger's writer.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::report::Outcome;

const QUEUE: usize = 1_024;
const BATCH: usize = 512;

/// The file.
#[derive(Debug, Clone)]
pub(crate) struct RawLog {
    jobs: mpsc::Sender<(Bytes, oneshot::Sender<()>)>,
}

impl RawLog {
    /// Makes the file and starts its thread, which ends when the last clone is dropped.
    pub(crate) fn create(path: &Path) -> Outcome<Self> {
        let mut file = File::create_new(path)?;
        let (jobs, mut queue) = mpsc::channel::<(Bytes, oneshot::Sender<()>)>(QUEUE);
        std::thread::Builder::new().name("raw-log".to_owned()).spawn(move || {
            while let Some(first) = queue.blocking_recv() {
                let mut batch = vec![first];
                while batch.len() < BATCH
                    && let Ok(next) = queue.try_recv()
                {
                    batch.push(next);
                }
                let bytes: Vec<u8> = batch.iter().flat_map(|(body, _)| body.iter().copied()).collect();
                if file.write_all(&bytes).and_then(|()| file.sync_data()).is_err() {
                    // Whoever waits is told by the sender's end.
                    return;
                }
                for (_, done) in batch {
                    // A client that went away needs no answer.
                    let _ = done.send(());
                }
            }
        })?;
        Ok(Self { jobs })
    }

    /// Appends, and comes back when it is on disk.
    pub(crate) async fn append(&self, body: Bytes) -> Outcome<()> {
        let (done, on_disk) = oneshot::channel();
        self.jobs.send((body, done)).await.map_err(|_| "the raw file cannot be written")?;
        Ok(on_disk.await.map_err(|_| "the raw file cannot be written")?)
    }
}
