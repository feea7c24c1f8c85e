//! Starts the real HAPI FHIR server of `servers/hapi` for tests.
//!
//! Trade-off: a start takes some fifteen seconds and half a gigabyte, so tests of one binary share one server for each set of options (see
//! [`shared`]) and keep out of each other's way by making their own resources.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, SystemTime};

/// How the server is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Options {
    /// References to, and deletes of, what is referred to are checked.
    pub integrity: bool,
    /// A PUT to an id that does not exist creates it.
    pub client_ids: bool,
    /// How long a notification that fails is tried; 0 is HAPI's own minute.
    pub retry_seconds: u16,
}

impl Options {
    /// What is kindest to clients.
    pub const PLAIN: Self = Self { integrity: false, client_ids: true, retry_seconds: 0 };
    /// What breaks naive ones.
    pub const STRICT: Self = Self { integrity: true, client_ids: false, retry_seconds: 0 };
}

/// A running server; it ends when this is dropped, or with this process.
#[derive(Debug)]
pub struct Hapi {
    child: Child,
    base: String,
}

/// How long a start may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(240);

impl Hapi {
    /// Starts a server on a free port, building it first where that is needed, and waits until it answers.
    ///
    /// # Errors
    /// Where Java or Maven is missing, the build fails, or the server does not come up.
    pub fn start(options: Options) -> io::Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/hapi");
        build(&folder)?;
        let log = File::create(folder.join("target").join(format!(
            "server-{}-{}.log",
            std::process::id(),
            if options.integrity { "integrity" } else { "plain" }
        )))?;
        let mut command = Command::new("java");
        command
            .args([
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Xmx512m",
                "-cp",
                "target/classes:target/lib/*",
                "hob.hapi.Main",
            ])
            .args(["--port", "0", "--exit-with-stdin"]);
        if options.integrity {
            command.arg("--referential-integrity");
        }
        if !options.client_ids {
            command.arg("--no-client-ids");
        }
        if options.retry_seconds > 0 {
            command.args(["--retry-seconds", &options.retry_seconds.to_string()]);
        }
        let mut child = command
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|e| io::Error::new(e.kind(), format!("cannot start java (install a JRE 17 or later): {e}")))?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?;
        let (said, hear) = mpsc::sync_channel(1);
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(base) = line.strip_prefix("READY ") {
                    // Nobody waits any more where the receiver is gone.
                    let _ = said.send(base.trim().to_owned());
                }
            }
        });
        match hear.recv_timeout(PATIENCE) {
            Ok(base) => Ok(Self { child, base }),
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(io::Error::other(format!("HAPI did not start: see {}/target/server-*.log", folder.display())))
            }
        }
    }

    /// The FHIR base URL, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base
    }
}

impl Drop for Hapi {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server of this test binary with these options. It ends with the process, whose end closes its standard input.
///
/// # Errors
/// As for [`Hapi::start`], for every caller.
pub fn shared(options: Options) -> io::Result<&'static Hapi> {
    static PLAIN: OnceLock<Result<Hapi, String>> = OnceLock::new();
    static STRICT: OnceLock<Result<Hapi, String>> = OnceLock::new();
    static OTHERS: Mutex<Vec<(Options, &'static Hapi)>> = Mutex::new(Vec::new());
    let cell = match options {
        Options::PLAIN => &PLAIN,
        Options::STRICT => &STRICT,
        other => {
            let mut others = OTHERS.lock().map_err(|_| io::Error::other("an earlier start panicked"))?;
            if let Some((_, hapi)) = others.iter().find(|(known, _)| *known == other) {
                return Ok(hapi);
            }
            let hapi: &'static Hapi = Box::leak(Box::new(Hapi::start(other)?));
            others.push((other, hapi));
            return Ok(hapi);
        }
    };
    cell.get_or_init(|| Hapi::start(options).map_err(|e| e.to_string())).as_ref().map_err(|e| io::Error::other(e.clone()))
}

/// Builds the server unless what is built is newer than its source. One process at a time.
fn build(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder.join("target"))?;
    let lock = File::create(folder.join("target/.build-lock"))?;
    lock.lock()?;
    let main = folder.join("target/classes/hob/hapi/Main.class");
    let built = fs::metadata(&main).and_then(|meta| meta.modified()).ok().filter(|_| folder.join("target/lib").is_dir());
    let changed = newest(&folder.join("src"))?.max(fs::metadata(folder.join("pom.xml"))?.modified()?);
    if built.is_some_and(|built| built >= changed) {
        return Ok(());
    }
    // Offline first: it is quicker, and works without a network once everything is there.
    for offline in [true, false] {
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "-DskipTests", "package"]).current_dir(folder).stdin(Stdio::null());
        if offline {
            maven.arg("-o").stdout(Stdio::null()).stderr(Stdio::null());
        }
        let status = maven
            .status()
            .map_err(|e| io::Error::new(e.kind(), format!("cannot start mvn (install Maven 3.8 or later): {e}")))?;
        if status.success() {
            // Maven leaves classes alone that did not change; their age is what is compared above.
            return File::options().append(true).open(&main)?.set_modified(changed.max(fs::metadata(&main)?.modified()?));
        }
    }
    Err(io::Error::other("the build of the HAPI test server failed: run `mvn package` in tests/servers/hapi"))
}

fn newest(folder: &Path) -> io::Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                newest = newest.max(entry.metadata()?.modified()?);
            }
        }
    }
    Ok(newest)
}
