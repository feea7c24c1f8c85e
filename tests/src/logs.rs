//! All that hosts of this process log, down to debug, kept so that tests can look for what must not be in it.

use std::io;
use std::sync::{Arc, Mutex, Once, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// A family name that every resource of these tests bears, and that must be in no line of any log.
pub const CANARY: &str = "Zzcanaryperson";

/// Compilers and the test's own proxy are left out: they say much, and see no resource or are not under test.
const FILTER: &str = "debug,cranelift_codegen=off,regalloc2=off,wasmtime=info,wasmtime_internal_cranelift=off,hob_tests=off";

#[derive(Clone)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

/// Begins to keep what is logged; once a process.
pub fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let kept = Kept(Arc::default());
        *KEPT.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept.clone());
        let filter = EnvFilter::try_from_env("HOB_TEST_LOG").unwrap_or_else(|_| EnvFilter::new(FILTER));
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(kept).init();
    });
}

/// What was logged so far.
#[must_use]
pub fn text() -> String {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner).clone();
    kept.map_or_else(String::new, |kept| {
        String::from_utf8_lossy(&kept.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    })
}

/// Fails where a line holds the canary.
pub fn assert_clean() {
    let text = text();
    assert!(text.contains("DEBUG"), "the log is kept down to debug");
    let at_fault: Vec<&str> = text.lines().filter(|line| line.contains(CANARY)).take(3).collect();
    assert!(at_fault.is_empty(), "patient data in the log: {at_fault:#?}");
}
