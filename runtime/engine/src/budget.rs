//! What one attempt may use, counted: memory over all memories, tables and held documents in sum, and CPU time.
//!
//! CPU is the thread's own time while the run's future is polled, so neither waiting for a server nor a busy machine is charged to
//! a bot, and work that host functions do for it is.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hob_model::Limits;
use wasmtime::ResourceLimiter;

use crate::stop::{Limit, Stop};

/// A pointer's worth for each element of a table.
const TABLE_ELEMENT: usize = size_of::<usize>();

/// Memory in use, and the limits.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) limits: Limits,
    used: usize,
    most: usize,
    calls: u32,
    requests: u32,
    request_bytes: usize,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        let most = usize::try_from(limits.memory_mib).unwrap_or(usize::MAX).saturating_mul(1 << 20);
        Self { limits, used: 0, most, calls: 0, requests: 0, request_bytes: 0 }
    }

    /// The error that ends the attempt over `limit`.
    pub(crate) fn over(&self, limit: Limit) -> wasmtime::Error {
        wasmtime::Error::new(Stop(limit.failure(&self.limits)))
    }

    /// Charges a host call.
    pub(crate) fn call(&mut self) -> wasmtime::Result<()> {
        self.calls = self.calls.saturating_add(1);
        if self.calls > self.limits.host_calls { Err(self.over(Limit::HostCalls)) } else { Ok(()) }
    }

    /// Charges a request to others.
    pub(crate) fn request(&mut self) -> wasmtime::Result<()> {
        self.requests = self.requests.saturating_add(1);
        if self.requests > self.limits.requests { Err(self.over(Limit::Requests)) } else { Ok(()) }
    }

    /// Charges bytes of a request in the midst of the run, or of its answer.
    pub(crate) fn transfer(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.request_bytes = self.request_bytes.saturating_add(bytes);
        if self.request_bytes > kib(self.limits.request_kib) { Err(self.over(Limit::RequestBytes)) } else { Ok(()) }
    }

    /// Charges memory that the host holds for the guest.
    pub(crate) fn hold(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.used = self.used.saturating_add(bytes);
        if self.used > self.most { Err(self.over(Limit::Memory)) } else { Ok(()) }
    }

    /// Gives back what [`Budget::hold`] charged.
    pub(crate) fn release(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
    }
}

impl ResourceLimiter for Budget {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.hold(desired.saturating_sub(current)).map(|()| true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.hold(desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT)).map(|()| true)
    }

    fn instances(&self) -> usize {
        crate::pool::CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        crate::pool::TABLES as usize
    }

    fn memories(&self) -> usize {
        crate::pool::MEMORIES as usize
    }
}

/// CPU time of one run, in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    used: AtomicU64,
    /// The thread's CPU time when the poll that is under way began. Read and written only by the polling thread.
    entered: AtomicU64,
}

impl Meter {
    /// What has been used, from within a poll.
    pub(crate) fn now(&self) -> Duration {
        let since = thread_cpu().saturating_sub(self.entered.load(Ordering::Relaxed));
        Duration::from_nanos(self.used.load(Ordering::Relaxed).saturating_add(since))
    }

    /// What has been used, from outside.
    pub(crate) fn total(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }

    /// Runs `work` on this thread and charges it.
    pub(crate) fn charge<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = thread_cpu();
        let done = work();
        self.used.fetch_add(thread_cpu().saturating_sub(before), Ordering::Relaxed);
        done
    }
}

/// Bytes of a limit in KiB.
pub(crate) fn kib(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(1_024)
}

/// When this thread will have used `left` more, by [`thread_cpu`].
pub(crate) fn cpu_until(left: Duration) -> u64 {
    thread_cpu().saturating_add(u64::try_from(left.as_nanos()).unwrap_or(u64::MAX))
}

/// The CPU time of this thread, in nanoseconds.
pub(crate) fn thread_cpu() -> u64 {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(at.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(at.tv_nsec).unwrap_or(0))
}

/// A future whose polls are charged to a meter.
pub(crate) struct Metered<F> {
    pub(crate) inner: Pin<Box<F>>,
    pub(crate) meter: Arc<Meter>,
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // Reading a thread's CPU clock is a call of the kernel: once on the way in, once on the way out.
        let entered = thread_cpu();
        self.meter.entered.store(entered, Ordering::Relaxed);
        let polled = self.inner.as_mut().poll(context);
        self.meter.used.fetch_add(thread_cpu().saturating_sub(entered), Ordering::Relaxed);
        polled
    }
}
