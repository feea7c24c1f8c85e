//! What a beginner gets wrong: each says what, where and what to do, to people and to programs. And where a bot fails while it runs, its author's line is told.

use std::path::PathBuf;
use std::sync::Arc;

use hob_engine::{Denial, Engine, EngineConfig};
use hob_model::FailureKind;
use serde_json::{Value, json};

use crate::case::Case;
use crate::clinic;
use crate::toolchain::{Tools, componentize, root, target};
use crate::{config, engine};

/// A folder with these files in it.
fn project(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = target().join("mistakes").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    for (file, text) in files {
        let file = folder.join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    folder
}

const FINE: &str = "import type { Event, Host } from \"@hob/sdk\";\nexport function handle(event: Event, hob: Host) {\n  hob.log(\"info\", event.id);\n}\n";

/// Name, the bot, options; then the code, the line, and words of the message and of the help.
type Mistake<'a> = (&'a str, &'a str, &'a [&'a str], &'a str, Option<u64>, &'a str, &'a str);

#[test]
fn each_mistake_says_what_where_and_what_to_do() {
    Tools::ready();
    let typed = FINE.replace("event.id", "event.identity");
    let thrown = format!("{FINE}const table: number[] = [];\nexport const first = (table[3] as unknown as {{ a: number }}).a;\n");
    let turned = FINE.replace("event: Event, hob: Host", "hob: Host, event: Event");
    let cases: [Mistake<'_>; 16] = [
        ("no-export", "export const name = 1;\n", &[], "export", Some(1), "exports `name`", "export function handle"),
        ("nothing", "const name = 1;\nvoid name;\n", &[], "export", None, "exports nothing", "export function handle"),
        (
            "medplums-name",
            "export async function handler() {}\n",
            &[],
            "export",
            Some(1),
            "exports `handler`",
            "\"medplum\": true",
        ),
        ("hobs-name", FINE, &["--medplum"], "export", Some(2), "exports `handle`", "call it `handler(medplum, event)`"),
        ("number", "export const handle = 5;\n", &[], "export", Some(1), "'number'", "export function handle"),
        (
            "number-unchecked",
            "export const handle = 5;\n",
            &["--no-check"],
            "export",
            Some(1),
            "type number",
            "export function handle",
        ),
        (
            "client",
            "\nexport const handler = 5;\n",
            &["--medplum"],
            "import",
            None,
            "\"@medplum/core\" is not found",
            "npm install @medplum/core",
        ),
        ("turned", &turned, &[], "export", Some(2), "'hob' and 'event' are incompatible", "export function handle"),
        ("type", &typed, &[], "type", Some(3), "identity", "@ts-expect-error"),
        (
            "package",
            "import { x } from \"left-pad\";\nexport const handle = x;\n",
            &[],
            "import",
            Some(1),
            "left-pad",
            "npm install left-pad",
        ),
        (
            "file",
            "import { x } from \"./nowhere\";\nexport const handle = x;\n",
            &[],
            "import",
            Some(1),
            "./nowhere",
            "mend the path",
        ),
        (
            "builtin",
            "import fs from \"node:fs\";\nexport const handle = () => fs;\n",
            &["--no-check"],
            "import",
            Some(1),
            "node:fs",
            "no files",
        ),
        ("syntax", "export function handle() {\n  return 1 +;\n}\n", &[], "syntax", Some(2), "Unexpected", "mend"),
        (
            "await",
            "await Promise.resolve();\nexport function handle() {}\n",
            &["--no-check"],
            "syntax",
            Some(1),
            "await",
            "inside of the handler",
        ),
        ("load", &thrown, &["--no-check"], "load", Some(6), "while it is loaded", "handler"),
        ("wit", FINE, &["--wit", "nowhere"], "toolchain", None, "contract", "--wit"),
    ];
    for (name, bot, options, code, line, message, help) in cases {
        let folder = project(name, &[("src/bot.ts", bot)]);
        let output = componentize(&[&["src/bot.ts", "--json"], options].concat(), &folder);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
            panic!("{name}: {e}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        });
        let error = &told["errors"][0];
        assert_eq!((told["ok"].as_bool(), error["code"].as_str()), (Some(false), Some(code)), "{name}: {told}");
        assert_eq!(error["line"].as_u64(), line, "{name}: {error}");
        if line.is_some() {
            assert_eq!(error["file"], "src/bot.ts", "{name}: {error}");
        }
        assert!(error["message"].as_str().unwrap().contains(message), "{name}: {error}");
        assert!(error["help"].as_str().unwrap().contains(help), "{name}: {error}");
        assert_eq!(output.status.code(), Some(if code == "toolchain" { 69 } else { 1 }), "{name}");
        assert!(!folder.join("dist").exists(), "{name} left a component");
    }
}

#[test]
fn the_command_line_and_a_person_are_told_too() {
    Tools::ready();
    let folder = project("usage", &[("src/bot.ts", "export const name = 1;\n")]);
    for (args, exit, words) in [
        (&["--fast"][..], 2, "--help"),
        (&["a.ts", "b.ts"], 2, "one entry"),
        (&["nowhere.ts"], 1, "there is no file nowhere.ts"),
        (&["src/bot.ts"], 1, "error[export]: a bot exports `handle`; this file exports `name`\n  at src/bot.ts:1\n  help: write"),
    ] {
        let output = componentize(args, &folder);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {told}");
        assert!(told.contains(words), "{args:?}: {told}");
    }
}

#[test]
fn the_sdks_own_tests_pass() {
    Tools::ready();
    let sdk = root().join("sdk/js");
    for tool in [&["node_modules/typescript/bin/tsc", "-p", "."][..], &["node_modules/vitest/vitest.mjs", "run"]] {
        let output = std::process::Command::new("node").args(tool).current_dir(&sdk).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{tool:?}\n{}\n{}", text(&output.stdout), text(&output.stderr));
    }
}

/// A bot in this SDK's own style: what it writes, how it fails, and where.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_typescript_bot_writes_and_its_failures_name_the_line() {
    writes_and_fails(&[]).await;
}

/// As `hob dev` has it built.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_does_on_the_quick_interpreter() {
    writes_and_fails(&["--quick"]).await;
}

async fn writes_and_fails(options: &[&str]) {
    let component = Tools::ready().build(&root().join("examples/typescript/src/bot.ts"), options);
    let release = engine().prepare(&std::fs::read(component).unwrap(), &case("{}").manifest("flagger")).unwrap();
    let task = |more: Value| {
        let mut task = json!({ "resourceType": "Task", "id": "t", "status": "ready", "intent": "order", "priority": "stat" });
        task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        task.to_string()
    };
    let run = async |task: String| clinic::run(&release, &case(&task), true).await;

    let done = run(task(json!({ "for": { "reference": "Patient/p" }, "description": "Fever: 39,5 °C" }))).await;
    assert_eq!(done.output.result, Ok(None));
    assert_eq!(done.writes.len(), 1);
    assert_eq!(done.writes[0]["resource"]["code"]["text"], "Fever: 39,5 °C");
    assert_eq!(done.output.effects.timers.len(), 1);

    let done = run(task(json!({}))).await;
    let failure = done.output.result.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Reject, "no-patient"));

    // A resource that is not as its types say: the exception has the file and line of the TypeScript.
    let done = run(task(json!({ "for": { "reference": "Patient/p" }, "restriction": { "period": { "end": 7 } } }))).await;
    let failure = done.output.result.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Retry, "exception"));
    let source = std::fs::read_to_string(root().join("examples/typescript/src/bot.ts")).unwrap();
    let line = 1 + source.lines().position(|line| line.contains("end.slice")).unwrap();
    assert!(failure.message.contains(&format!("src/bot.ts:{line}:")), "{}", failure.message);
    let log: Vec<&str> = done.output.journal.log.iter().map(|line| line.text.as_str()).collect();
    assert!(log.iter().any(|text| text.contains("TypeError") && text.contains(&format!("src/bot.ts:{line}:"))), "{log:?}");
}

/// A client's call that fails is placed where the bot made it, though the client asks later, in a job of its own: a scope that is missing, and what is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_client_is_refused_names_the_bots_line() {
    let bot = "import type { BotEvent, MedplumClient } from \"@medplum/core\";
export async function handler(medplum: MedplumClient, event: BotEvent): Promise<void> {
  await medplum.search(\"Task\");
  await help(medplum, event);
}
async function help(medplum: MedplumClient, event: BotEvent): Promise<void> {
  await FIRST;
}
";
    for (first, code) in [
        ("medplum.readResource(\"Practitioner\", \"p\")", "scope"),
        ("medplum.graphql(\"{ Patient { id } }\")", "fhir-refused"),
        ("medplum.readResource(\"Task\", \"none\")", "fhir-not-found"),
    ] {
        let folder = project("refused", &[("package.json", "{}"), ("src/bot.ts", &bot.replace("FIRST", first))]);
        std::os::unix::fs::symlink(crate::toolchain::suite().join("node_modules"), folder.join("node_modules")).unwrap();
        let component = Tools::ready().build(&folder.join("src/bot.ts"), &["--medplum"]);
        let engine = Engine::new(EngineConfig { denial: Denial::IsTold, ..config() }).unwrap();
        let manifest = hob_model::Manifest { scopes: vec!["system/Task.rs".parse().unwrap()], ..case("{}").manifest("refused") };
        let release = engine.prepare(&std::fs::read(component).unwrap(), &manifest).unwrap();
        let done = clinic::run(
            &release,
            &case("{\"resourceType\": \"Task\", \"id\": \"t\", \"status\": \"ready\", \"intent\": \"order\"}"),
            true,
        )
        .await;
        assert_eq!(done.output.result.unwrap_err().code, code);
        let log: Vec<&str> = done.output.journal.log.iter().map(|line| line.text.as_str()).collect();
        assert!(log.iter().any(|text| text.contains("was thrown at src/bot.ts:7:")), "{code}: {log:?}");
    }
}

/// A change of this task.
fn case(task: &str) -> Case {
    let resources =
        if task == "{}" { String::new() } else { format!("{task}, {{\"resourceType\": \"Patient\", \"id\": \"p\"}}") };
    let text = format!(
        "{{\"now\": \"2026-03-02T15:00:00Z\", \"trigger\": {{\"change\": \"update\"}}, \"input\": \"Task/t\", \"resources\": [{resources}]}}"
    );
    serde_json::from_str(&text).unwrap()
}

/// The same component, run twice from the same seed and answers, does the same; what is random differs by the seed alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_repeated_from_its_journal() {
    let tools = Tools::ready();
    let case = Case::read("invite");
    let component = tools.build(&crate::toolchain::suite().join("src/invite.ts"), &["--medplum"]);
    let release: Arc<hob_engine::Release> =
        engine().prepare(&std::fs::read(component).unwrap(), &case.manifest("invite")).unwrap();
    let one = clinic::run(&release, &case, true).await.output;
    let other = clinic::run(&release, &case, true).await.output;
    assert_eq!(one.effects, other.effects);
    assert!(one.effects.commits());
}
