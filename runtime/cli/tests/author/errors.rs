//! What a beginner gets wrong, and what is said then: what, where, what to do.

use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::place::Place;

const TASK: &str = "let task: Task = event.json()?;";

/// A bot of the template with one thing changed, and what a command says of it.
struct Bot {
    place: Place,
    _alone: MutexGuard<'static, ()>,
}

/// All are built into one folder, under one name: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

impl Bot {
    fn new() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Place::new();
        let (code, stdout, stderr) = place.hob(".", &["new", "beginner"]);
        assert_eq!(code, 0, "{stdout}{stderr}");
        Self { place, _alone: alone }
    }

    fn change(&self, file: &str, from: &str, to: &str) {
        let path = self.place.path().join("beginner").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    /// Exit code and words of `hob`, without what differs each time.
    fn says(&self, args: &[&str]) -> String {
        let (code, stdout, stderr) = self.place.hob("beginner", args);
        let root = self.place.path().display().to_string();
        let progress = ["   Compiling", "    Finished", "     Locking", "      Adding", "    Blocking", "  still "];
        let said: Vec<&str> = stderr.lines().filter(|line| !progress.iter().any(|start| line.starts_with(start))).collect();
        let passed =
            |line: &&str| !line.contains(" passed") && !line.starts_with("ok ") && !line.trim_start().starts_with("again holds");
        let shown: Vec<&str> = stdout.lines().filter(passed).collect();
        format!("exit {code}\n{}\n---\n{}\n", shown.join("\n"), said.join("\n")).replace(&root, "ROOT")
    }
}

/// A file of the template, what stands there, what is there instead, and parts of what is said of it.
type Mistake = (&'static str, &'static str, &'static str, &'static [&'static str]);

const MISTAKES: [Mistake; 12] = [
    // No default scope.
    (
        "bot.toml",
        "    \"system/Flag.cs?identifier=https://example.org/stat-flag|\",\n",
        "",
        &[
            "exit 1",
            "\"code\": \"scope\"",
            "needs system/Flag.cs",
            "beginner::handle",
            "add \"system/Flag.cs\" to `scopes` in bot.toml",
        ],
    ),
    // An endless loop.
    (
        "src/lib.rs",
        TASK,
        "let mut n = 0_u64; while std::hint::black_box(n) < u64::MAX { n = std::hint::black_box(n) + 1; } let task: Task = event.json()?;",
        &[
            "exit 1",
            "limit-cpu",
            "raise `limits.cpu-ms`",
            "; in beginner::handle",
            "; before any host call was answered",
            "help: look for a loop that does not end, behind the last host call or the last line of the log (`hob dev` names the line)",
            "help: mend the bot: what went wrong is no result to keep",
        ],
    ),
    // A crash.
    (
        "src/lib.rs",
        TASK,
        "let task: Task = event.json().expect(\"a task\"); panic!(\"not yet: {}\", task.id);",
        &["exit 1", "\"code\": \"trap\"", "src/lib.rs:", "help: the bot crashed"],
    ),
    // No export.
    (
        "src/lib.rs",
        "hob_sdk::bot!(handle);",
        "",
        &["exit 65", "error[component]", "does not export `handle`", "src/lib.rs", "hob_sdk::bot!(handle);"],
    ),
    // No component.
    (
        "Cargo.toml",
        "[\"cdylib\", \"rlib\"]",
        "[\"rlib\"]",
        &["exit 1", "error[build-failed]", "crate-type = [\"cdylib\", \"rlib\"]"],
    ),
    // What no compiler takes.
    (
        "src/lib.rs",
        "task.patient.and_then",
        "task.pateint.and_then",
        &["exit 1", "no field `pateint`", "src/lib.rs:", "error[build-failed]", "mend what the compiler says"],
    ),
    (
        "bot.toml",
        "cpu-ms = 500",
        "cpu-msec = 500",
        &["exit 64", "`limits.cpu-msec`", "expected one of `cpu-ms`", "did you mean `cpu-ms`?", "bot.toml:"],
    ),
    (
        "bot.toml",
        "Task?status=ready",
        "Task?patient.name=ada&status=ready",
        &["exit 64", "error[criteria]", "patient.name", "bot.toml:18"],
    ),
    ("bot.toml", "Task?status=ready", "Task?statsu=ready", &["exit 64", "error[criteria]", "statsu", "bot.toml:18"]),
    (
        "cases/01-stat-task.json",
        "\"title\"",
        "\"name\": 1,\n  \"title\"",
        &["exit 1", "BROKEN", "unknown field `name`", "01-stat-task.json"],
    ),
    (
        "cases/01-stat-task.json",
        "\"writes\"",
        "\"write\"",
        &["exit 1", "BROKEN", "it has no key `write`", "did you mean `writes`?", "help: mend the files of the cases"],
    ),
    (
        "cases/01-stat-task.json",
        "\"priority\": \"stat\"",
        "\"priority\": \"urgent\"",
        &["exit 1", "\"started\": false", "no [[on]] table of bot.toml wants this event"],
    ),
];

#[test]
fn each_mistake_is_told_with_its_place_and_a_way_out() {
    for (file, from, to, parts) in MISTAKES {
        let bot = Bot::new();
        bot.change(file, from, to);
        let says = bot.says(&["test", "--filter", "01-stat-task"]);
        for part in parts {
            assert!(says.contains(part), "{file}, {to:?}: no {part:?} in\n{says}");
        }
        assert!(says.contains("help:"), "{says}");
    }
}

#[test]
fn a_new_bots_own_unit_tests_pass() {
    let bot = Bot::new();
    let output = bot.place.command("cargo", "beginner").args(["test", "--quiet"]).output().unwrap();
    let (code, stdout, stderr) = crate::place::parts(&output);
    assert!(code == 0 && stdout.contains("1 passed"), "{stdout}{stderr}");
}

#[test]
fn an_update_keeps_no_failure_that_the_bot_did_not_choose() {
    let bot = Bot::new();
    let cases = || {
        ["01-stat-task", "03-no-patient"]
            .map(|case| std::fs::read(bot.place.path().join(format!("beginner/cases/{case}.json"))).unwrap())
    };
    let before = cases();
    bot.change("src/lib.rs", TASK, "let task: Task = event.json()?; assert_ne!(task.id, \"t1\");");
    let says = bot.says(&["test", "--update"]);
    assert!(says.contains("exit 1") && says.contains("\"code\": \"trap\"") && says.contains("--update leaves it"), "{says}");
    assert!(cases() == before, "a case was written over");
    // What the bot decides is written, and where that is a failure it is said.
    bot.change(
        "src/lib.rs",
        "assert_ne!(task.id, \"t1\");",
        "if task.id == \"t1\" { return Err(Error::reject(\"not-t1\", \"no\")); }",
    );
    let says = bot.says(&["test", "--update"]);
    assert!(says.contains("exit 0") && says.contains("look: the bot fails here, and the case now expects that"), "{says}");
    assert!(cases() != before);
}

#[test]
fn what_is_no_bot_is_told() {
    let bot = Bot::new();
    let file = |name: &str| bot.place.path().join("beginner").join(name);
    let told = |args: &[&str], parts: &[&str]| {
        let says = bot.says(args);
        parts.iter().for_each(|part| assert!(says.contains(part), "{args:?}: no {part:?} in\n{says}"));
    };
    std::fs::write(file("empty.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    told(&["test", "--component", "empty.wasm"], &["exit 65", "error[component]", "does not export `handle`"]);
    std::fs::write(file("empty.wasm"), b"\0asm\x01\0\0\0").unwrap();
    told(&["check", "--component", "empty.wasm"], &["exit 65", "error[no-component]", "module and no component", "hob build"]);
    told(&["test", "--no-build"], &["exit 66", "error[component-missing]", "build it with `hob build`"]);
    std::fs::remove_file(file("Cargo.toml")).unwrap();
    told(&["build"], &["exit 66", "error[no-language]", "hob new NAME"]);
    std::fs::remove_file(file("bot.toml")).unwrap();
    told(&["dev"], &["exit 66", "error[manifest-missing]"]);
}

#[test]
fn what_is_not_installed_is_named_with_the_way_to_get_it() {
    let place = Place::new();
    let mut all = String::new();
    for (name, language) in [("rusty", "rust"), ("typed", "ts"), ("pythonic", "python"), ("medical", "medplum")] {
        // Nothing but `hob` is to be found.
        let run = |folder: &str, args: &[&str]| {
            let hob = env!("CARGO_BIN_EXE_hob");
            let mut command = place.command(hob, folder);
            let output = command.env("PATH", place.path()).args(args).output().unwrap();
            let (code, stdout, stderr) = crate::place::parts(&output);
            format!("exit {code}\n{stdout}---\n{stderr}")
        };
        let made = run(".", &["new", name, "--lang", language]);
        // An SDK that this checkout has not yet.
        if made.contains("sdk-missing") {
            continue;
        }
        let _ = write!(all, "== {language}\n{made}{}", run(name, &["build"]));
    }
    assert!(all.contains("== rust"));
    for part in all.split("== ").skip(1) {
        assert!(part.contains("missing:") && part.contains("error[toolchain-missing]") && part.contains("exit 69"), "{part}");
        assert!(part.contains("https://"), "it says where to get it: {part}");
    }
}
