//! `hob serve`, for real: it starts, answers the other commands, and stops on SIGTERM.

#![allow(clippy::unwrap_used, reason = "a test may; clippy does not see that its helpers are of a test")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::{TOKEN, hob};

const CONFIG: &str = "admin-token = { env = \"HOB_ADMIN_TOKEN\" }\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n";

struct Served {
    child: Child,
    admin: String,
}

impl Served {
    fn start(dir: &Path) -> Self {
        let config = dir.join("hob.toml");
        std::fs::write(&config, CONFIG).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_hob"))
            .args(["serve", "--json", "--config"])
            .arg(&config)
            .env_clear()
            .env("HOB_ADMIN_TOKEN", TOKEN)
            .env("HOB_IN_HAPI", "the-header-that-must-not-be-seen")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The line comes when the host is ready, or never, when the pipe closes.
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let admin = line.split("\"admin\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned();
        Self { child, admin }
    }

    fn hob(&self, args: &[&str]) -> String {
        hob(args, &[("HOB_ADMIN_TOKEN", TOKEN), ("HOB_HOST", &self.admin)], "")
    }

    /// Ends it by SIGTERM and gives exit code and log.
    fn stop(mut self) -> (Option<i32>, String) {
        let killed = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(killed.success());
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

#[test]
fn serves_answers_and_stops() {
    let dir = tempfile::tempdir().unwrap();
    let host = Served::start(dir.path());
    assert!(host.admin.starts_with("http://127.0.0.1:"), "{}", host.admin);
    let status = host.hob(&["status"]);
    assert!(status.contains("exit 0") && status.contains("ready               yes"), "{status}");
    let added = host.hob(&["source", "add", "hapi", "--base", "http://127.0.0.1:1/fhir"]);
    assert!(added.contains("exit 0") && added.contains("/in/default/hapi/"), "{added}");
    let unset = host.hob(&["source", "add", "other", "--base", "http://127.0.0.1:1/fhir"]);
    assert!(unset.contains("exit 1") && unset.contains("HOB_IN_OTHER"), "{unset}");
    assert!(host.hob(&["source", "list"]).contains("never"));
    let check = host.hob(&["source", "check", "hapi"]);
    assert!(!check.contains("exit 0"), "nobody listens there: {check}");
    for (args, said) in [(["bots"], "no bots"), (["runs"], "no runs"), (["dead"], "no dead letters"), (["logs"], "exit 0")] {
        let seen = host.hob(&args);
        assert!(seen.contains("exit 0") && seen.contains(said), "{seen}");
    }
    let refused = hob(&["status"], &[("HOB_ADMIN_TOKEN", "another"), ("HOB_HOST", &host.admin)], "");
    assert!(refused.contains("exit 77"), "{refused}");
    let removed = host.hob(&["source", "remove", "hapi"]);
    assert!(removed.contains("exit 0"), "{removed}");
    let (code, log) = host.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains(TOKEN) && !log.contains("must-not-be-seen"), "{log}");
}

#[test]
fn a_second_host_on_the_ledger_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let host = Served::start(dir.path());
    let config = dir.path().join("hob.toml");
    let second = hob(&["serve", "--config", config.to_str().unwrap()], &[("HOB_ADMIN_TOKEN", TOKEN)], "");
    assert!(second.contains("exit 1") && second.contains("error[start]"), "{second}");
    assert_eq!(host.stop().0, Some(0));
}

#[test]
fn keys_backup_restore_and_doctor() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let host = Served::start(dir.path());
    assert!(host.hob(&["source", "add", "hapi", "--base", "http://127.0.0.1:1/fhir"]).contains("exit 0"));
    let key = |host: &Served| host.hob(&["keys", "list", "--json"]);
    let before = key(&host);
    assert!(before.contains("exit 0") && before.contains("\"resealed_percent\": null"), "{before}");
    let rotated = host.hob(&["keys", "rotate", "--master", "--json"]);
    assert!(rotated.contains("exit 0") && rotated != before && key(&host) != before, "{rotated}");
    assert!(host.hob(&["keys", "rotate"]).contains("exit 3"), "a tenant without values has no key");
    let backup = host.hob(&["backup", &path("one.backup")]);
    assert!(backup.contains("exit 0") && backup.contains("it needs the master key"), "{backup}");
    assert!(host.hob(&["backup", &path("one.backup")]).contains("exit 66"));
    // The source does not answer, and nothing else is wrong.
    let sick = host.hob(&["doctor"]);
    assert!(sick.contains("exit 1") && sick.matches("fail  ").count() == 1 && sick.contains("error[doctor-failed]"), "{sick}");

    let config = path("hob.toml");
    let offline = |args: &[&str]| hob(&[args, &["--config", &config]].concat(), &[], "");
    let running = offline(&["doctor", "--offline"]);
    assert!(running.contains("exit 1") && running.contains("in use"), "{running}");
    assert!(offline(&["restore", &path("one.backup"), "--from", "now", "--aside"]).contains("exit 1"), "a host runs there");
    let (code, log) = host.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("lies beside the data"), "{log}");
    let well = offline(&["doctor", "--offline", "--thorough"]);
    assert!(well.contains("exit 0") && well.contains("integrity_check: ok"), "{well}");
    let name = std::fs::read_to_string(dir.path().join("hob-data/host-id")).unwrap();
    assert!(offline(&["restore", &path("one.backup"), "--from", "now"]).contains("exit 1"), "a ledger is there");
    let restored = offline(&["restore", &path("one.backup"), "--from", "now", "--aside"]);
    assert!(restored.contains("exit 0") && restored.contains("runs now dead"), "{restored}");
    assert!(dir.path().join("hob-data/ledger.db.before-restore-1").exists());
    assert_eq!(std::fs::read_to_string(dir.path().join("hob-data/host-id")).unwrap(), name);
    let again = Served::start(dir.path());
    assert!(again.hob(&["source", "list"]).contains("hapi"));
    assert_eq!(again.stop().0, Some(0));

    // The key is lost: the host says so and makes no other.
    std::fs::rename(dir.path().join("hob-data/master.key"), dir.path().join("kept")).unwrap();
    let lost = hob(&["serve", "--config", &config], &[("HOB_ADMIN_TOKEN", TOKEN)], "");
    assert!(lost.contains("exit 1") && lost.contains("put it back"), "{lost}");
    assert!(!dir.path().join("hob-data/master.key").exists());
}

#[test]
fn what_is_wrong_with_the_configuration_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("hob.toml");
    let serve = |text: &str, env: &[(&str, &str)]| {
        std::fs::write(&config, text).unwrap();
        hob(&["serve", "--config", config.to_str().unwrap()], env, "")
    };
    let all = [
        hob(&["serve", "--config", "no/such/hob.toml"], &[], ""),
        serve(&CONFIG.replace("listen", "lissten"), &[]),
        serve(&CONFIG.replace("\"127.0.0.1:0\"", "8400"), &[]),
        serve(CONFIG, &[]),
    ];
    insta::assert_snapshot!(all.join("\n").replace(dir.path().to_str().unwrap(), "DIR"));
}

#[test]
fn the_file_that_init_writes_is_one_that_serve_reads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hob.toml");
    hob(&["init", "--config", path.to_str().unwrap()], &[], "");
    let text = std::fs::read_to_string(&path).unwrap();
    let defaults = hob_host::Config::read(&path).unwrap();
    // With every commented key taken in, it says the same: the comments are the defaults.
    let key = |line: &str| {
        line.strip_prefix("# ")
            .filter(|rest| rest.starts_with('[') || rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')))
            .map(str::to_owned)
    };
    let whole: Vec<String> = text.lines().map(|line| key(line).unwrap_or_else(|| line.to_owned())).collect();
    std::fs::write(&path, whole.join("\n")).unwrap();
    let mut spelled = hob_host::Config::read(&path).unwrap();
    assert!(spelled.public_url.take().is_some());
    assert_eq!(spelled, defaults);
    assert!(whole.iter().filter(|line| line.contains(" = ") && !line.starts_with('#')).count() >= 15);
}
