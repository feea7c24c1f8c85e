//! The two processes of the demo: a FHIR server and a hob host. Both end with the demo, however it ends.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::shell;

/// The demo's admin token: it guards a host on loopback that lives for a minute.
pub(crate) const TOKEN: &str = "demo";
/// What the FHIR server's notifications prove to know.
const INBOUND: &str = "Bearer demo-inbound";

fn hapi_folder() -> PathBuf {
    shell::root().join("tests/servers/hapi")
}

/// Builds the FHIR server; the first time Maven downloads some 230 MB, and shows it.
pub(crate) fn build_hapi() -> Result<(), String> {
    let folder = hapi_folder();
    let built = folder.join("target/lib").is_dir();
    let mut command = Command::new("mvn");
    command.current_dir(&folder).args(if built { &["-q", "-B", "package"][..] } else { &["-B", "package"][..] });
    shell::step("build the HAPI FHIR server of the tests (the first time: 230 MB from Maven Central)", &mut command)
}

/// A process that is killed when this is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A FHIR server that is starting or runs.
pub(crate) struct Fhir {
    child: Killed,
    /// What stands before the base URL on the line that says that it is ready.
    mark: &'static str,
    /// What to look at when it does not come up.
    hint: &'static str,
}

impl Fhir {
    pub(crate) fn hapi() -> Result<Self, String> {
        println!("=> start the HAPI FHIR server");
        let mut command = Command::new("java");
        command
            .current_dir(hapi_folder())
            .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx768m", "-cp", "target/classes:target/lib/*"])
            .args(["hob.hapi.Main", "--port", "0", "--exit-with-stdin"]);
        Self::start(command, "READY ", "is there a gigabyte of memory free?")
    }

    pub(crate) fn test() -> Result<Self, String> {
        println!("=> start the test server");
        let mut command = Command::new(shell::root().join("target/debug/hob-testserver"));
        command.args(["--listen", "127.0.0.1:0"]);
        Self::start(command, "", "run target/debug/hob-testserver to see why")
    }

    fn start(mut command: Command, mark: &'static str, hint: &'static str) -> Result<Self, String> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = command.spawn().map_err(|e| format!("the FHIR server does not start: {e}"))?;
        Ok(Self { child: Killed(child), mark, hint })
    }

    /// Waits until it answers; gives its base URL.
    pub(crate) fn wait(&self) -> Result<String, String> {
        // The child is not taken apart: its pipe of standard input must stay open for as long as it is to live.
        let out = self.child.0.stdout.as_ref().ok_or("the FHIR server has no standard output")?;
        let mut lines = BufReader::new(dup(out)?).lines();
        loop {
            match lines.next() {
                Some(Ok(line)) => {
                    if let Some(base) = line.strip_prefix(self.mark) {
                        return Ok(base.trim().to_owned());
                    }
                }
                _ => return Err(format!("the FHIR server ended before it was ready: {}", self.hint)),
            }
        }
    }
}

fn dup(out: &std::process::ChildStdout) -> Result<std::fs::File, String> {
    use std::os::fd::AsFd as _;
    out.as_fd().try_clone_to_owned().map(Into::into).map_err(|e| format!("the FHIR server's output: {e}"))
}

/// A hob host.
pub(crate) struct Host {
    child: Killed,
    pub(crate) binary: PathBuf,
    pub(crate) webhooks: String,
    pub(crate) admin: String,
}

impl Host {
    pub(crate) fn start() -> Result<Self, String> {
        println!("=> start hob");
        let folder = shell::root().join("target/demo");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let config = folder.join("hob.toml");
        let text = "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nadmin-token = { env = \"HOB_ADMIN_TOKEN\" }\n";
        std::fs::write(&config, text).map_err(|e| format!("{}: {e}", config.display()))?;
        let log = std::fs::File::create(folder.join("hob.log")).map_err(|e| format!("hob.log: {e}"))?;
        let binary = shell::root().join("target/debug/hob");
        let mut child = Command::new(&binary)
            .args(["serve", "--json", "--config"])
            .arg(&config)
            .env("HOB_ADMIN_TOKEN", TOKEN)
            .env("HOB_IN_CLINIC", INBOUND)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|e| format!("hob does not start: {e}"))?;
        let out = child.stdout.take().ok_or("hob has no standard output")?;
        let child = Killed(child);
        let first = BufReader::new(out).lines().next();
        let Some(Ok(line)) = first else { return Err("hob ended before it was ready: see target/demo/hob.log".into()) };
        let said: Value = serde_json::from_str(&line).map_err(|e| format!("hob said {line:?}: {e}"))?;
        let address = |name: &str| said[name].as_str().map(str::to_owned).ok_or(format!("hob did not say its {name} address"));
        Ok(Self { child, binary, webhooks: address("webhooks")?, admin: address("admin")? })
    }

    /// Runs a hob command against this host and shows what it prints.
    pub(crate) fn hob(&self, args: &[&str]) -> Result<(), String> {
        println!("   $ hob {}", args.join(" "));
        let out = self.command(args).output().map_err(|e| format!("hob: {e}"))?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        for line in text.lines() {
            println!("     {line}");
        }
        if out.status.success() { Ok(()) } else { Err(format!("hob {} ended with {}", args.join(" "), out.status)) }
    }

    /// Runs a hob command with `--json` and reads its document.
    pub(crate) fn ask(&self, args: &[&str]) -> Result<Value, String> {
        let text = shell::output(self.command(args).arg("--json"))?;
        serde_json::from_str(&text).map_err(|e| format!("hob {}: {e}", args.join(" ")))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(shell::root()).args(args).env("HOB_HOST", &self.admin).env("HOB_ADMIN_TOKEN", TOKEN);
        command
    }

    /// Asks it to drain, and waits for its end.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        println!("=> stop hob");
        let pid = self.child.0.id().to_string();
        if !shell::succeeds("kill", &["-TERM", &pid]) {
            return Err("hob could not be told to stop".into());
        }
        let status = self.child.0.wait().map_err(|e| format!("hob: {e}"))?;
        if status.success() { Ok(()) } else { Err(format!("hob ended with {status}: see target/demo/hob.log")) }
    }
}
