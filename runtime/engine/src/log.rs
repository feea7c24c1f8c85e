//! Standard output and error as the run's log: lines, bounded, in order.
//!
//! A line that begins with `debug: `, `info: `, `warn: ` or `error: ` has that level; else stdout is info and stderr is warn.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hob_model::{LogLevel, LogLine};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::budget;

/// What a line costs beside its text.
const LINE: usize = 16;

/// Lines so far, and what is left of the limit.
#[derive(Debug)]
pub(crate) struct Log {
    lines: Vec<LogLine>,
    /// Unfinished lines of stdout and stderr.
    open: [Vec<u8>; 2],
    left: usize,
    dropped: u64,
    kib: u32,
}

impl Log {
    pub(crate) fn new(kib: u32) -> Arc<Mutex<Self>> {
        let left = budget::kib(kib);
        Arc::new(Mutex::new(Self { lines: Vec::new(), open: [Vec::new(), Vec::new()], left, dropped: 0, kib }))
    }

    fn write(&mut self, stream: Stream, bytes: &[u8]) {
        let mut open = std::mem::take(&mut self.open[stream as usize]);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let kept = &piece[..piece.len().min(self.left)];
            self.left -= kept.len();
            self.dropped = self.dropped.saturating_add((piece.len() - kept.len()) as u64);
            open.extend_from_slice(kept);
            if open.last() == Some(&b'\n') {
                open.pop();
                self.line(stream, &open);
                open.clear();
            }
        }
        self.open[stream as usize] = open;
    }

    fn line(&mut self, stream: Stream, bytes: &[u8]) {
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        // What is not UTF-8 becomes three bytes for one, and a line takes its place however short it is.
        let grown = text.len().saturating_sub(bytes.len());
        if grown > self.left {
            let most = text.floor_char_boundary(bytes.len() + self.left);
            self.dropped = self.dropped.saturating_add((text.len() - most) as u64);
            text.truncate(most);
        }
        self.left = self.left.saturating_sub(grown + LINE);
        let levels =
            [("debug: ", LogLevel::Debug), ("info: ", LogLevel::Info), ("warn: ", LogLevel::Warn), ("error: ", LogLevel::Error)];
        let named = levels.iter().find_map(|(prefix, level)| text.strip_prefix(prefix).map(|rest| (*level, rest)));
        let (level, text) = named.unwrap_or((if stream == Stream::Out { LogLevel::Info } else { LogLevel::Warn }, &text));
        self.lines.push(LogLine { level, text: text.to_owned() });
    }

    /// Adds a line that does not come from a stream.
    pub(crate) fn push(&mut self, line: LogLine) {
        if line.text.len() > self.left {
            self.dropped = self.dropped.saturating_add(line.text.len() as u64);
            return;
        }
        self.left -= line.text.len();
        self.lines.push(line);
    }

    /// The lines; unfinished ones are finished, and what was dropped is said.
    pub(crate) fn take(&mut self) -> Vec<LogLine> {
        for stream in [Stream::Out, Stream::Err] {
            let open = std::mem::take(&mut self.open[stream as usize]);
            if !open.is_empty() {
                self.line(stream, &open);
            }
        }
        if self.dropped > 0 {
            let text = format!(
                "{} more bytes of log were dropped: the limit is {} KiB; raise `limits.log-kib` in bot.toml",
                self.dropped, self.kib
            );
            self.lines.push(LogLine { level: LogLevel::Warn, text });
        }
        std::mem::take(&mut self.lines)
    }
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Out = 0,
    Err = 1,
}

/// The guest's end.
#[derive(Clone)]
pub(crate) struct Writer {
    pub(crate) log: Arc<Mutex<Log>>,
    pub(crate) stream: Stream,
}

impl Writer {
    fn put(&self, bytes: &[u8]) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).write(self.stream, bytes);
    }
}

impl IsTerminal for Writer {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Writer {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {}
}

impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.put(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.put(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_lines_with_levels_and_says_what_it_dropped() {
        let log = Log::new(1);
        let mut log = log.lock().unwrap();
        log.write(Stream::Out, b"error: bad\nhalf");
        log.write(Stream::Err, b"oops\n");
        log.write(Stream::Out, b" done\n");
        log.write(Stream::Out, &[b'x'; 2_000]);
        let lines = log.take();
        let seen: Vec<_> = lines.iter().map(|line| (line.level, line.text.as_str())).collect();
        assert_eq!(seen[..3], [(LogLevel::Error, "bad"), (LogLevel::Warn, "oops"), (LogLevel::Info, "half done")]);
        assert!(seen.last().unwrap().1.contains("log-kib"));
        assert!(seen[3].1.len() < 1_024);
    }
}
