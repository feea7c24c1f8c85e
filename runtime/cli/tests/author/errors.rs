//! What a beginner gets wrong, and what is said then: what, where, what to do.

use std::fmt::Write as _;

use crate::place::Place;

const TASK: &str = "let task: Task = event.json()?;";

/// A bot of the template with one thing changed, and what a command says of it.
struct Bot {
    place: Place,
}

impl Bot {
    fn new() -> Self {
        let place = Place::new();
        let (code, stdout, stderr) = place.hob(".", &["new", "beginner"]);
        assert_eq!(code, 0, "{stdout}{stderr}");
        Self { place }
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

#[test]
fn each_mistake_is_told_with_its_place_and_a_way_out() {
    let mut all = String::new();
    let mut told = |what: &str, says: String| {
        let _ = writeln!(all, "== {what}\n{says}");
    };
    let wrong = |file: &str, from: &str, to: &str, args: &[&str]| {
        let bot = Bot::new();
        bot.change(file, from, to);
        bot.says(args)
    };
    let one = ["test", "--filter", "01-stat-task"];
    told("no default scope", wrong("bot.toml", "    \"system/Flag.cs?identifier=https://example.org/stat-flag|\",\n", "", &one));
    told(
        "an endless loop",
        wrong(
            "src/lib.rs",
            TASK,
            "let mut n = 0_u64; while std::hint::black_box(n) < u64::MAX { n = std::hint::black_box(n) + 1; } let task: Task = event.json()?;",
            &one,
        ),
    );
    told(
        "a crash",
        wrong("src/lib.rs", TASK, "let task: Task = event.json().expect(\"a task\"); panic!(\"not yet: {}\", task.id);", &one),
    );
    told("no export", wrong("src/lib.rs", "hob_sdk::bot!(handle);", "", &one));
    told("no cdylib", wrong("Cargo.toml", "[\"cdylib\", \"rlib\"]", "[\"rlib\"]", &one));
    told("what no compiler takes", wrong("src/lib.rs", "task.patient.and_then", "task.pateint.and_then", &one));
    told("an unknown key", wrong("bot.toml", "cpu-ms = 500", "cpu-msec = 500", &one));
    told("criteria that cannot be judged", wrong("bot.toml", "Task?status=ready", "Task?patient.name=ada&status=ready", &one));
    told("a parameter that there is not", wrong("bot.toml", "Task?status=ready", "Task?statsu=ready", &one));
    told("a key of a case that there is not", wrong("cases/01-stat-task.json", "\"title\"", "\"name\": 1,\n  \"title\"", &one));
    told("an expectation of what there is not", wrong("cases/01-stat-task.json", "\"writes\"", "\"write\"", &one));
    told(
        "an event that starts nothing",
        wrong("cases/01-stat-task.json", "\"priority\": \"stat\"", "\"priority\": \"urgent\"", &one),
    );
    let bot = Bot::new();
    let empty = bot.place.path().join("beginner/empty.wasm");
    std::fs::write(&empty, b"\0asm\x0d\0\x01\0").unwrap();
    told("a component of something else", bot.says(&["test", "--component", "empty.wasm"]));
    std::fs::write(&empty, b"\0asm\x01\0\0\0").unwrap();
    told("a module", bot.says(&["check", "--component", "empty.wasm"]));
    told("nothing is built", bot.says(&["test", "--no-build"]));
    std::fs::remove_file(bot.place.path().join("beginner/Cargo.toml")).unwrap();
    told("no language", bot.says(&["build"]));
    std::fs::remove_file(bot.place.path().join("beginner/bot.toml")).unwrap();
    told("no bot", bot.says(&["dev"]));
    insta::assert_snapshot!(all);
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
