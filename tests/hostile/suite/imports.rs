//! Components that want what a bot does not get, or lack what it must have, and what there is to see of the machine.

use hob_engine::RunOutput;
use serde_json::json;

use crate::case::{Asked, Case, bytes, script};
use crate::server::Server;
use crate::stage::{SMALL, answers};

fn text(name: &str, text: &'static str) -> Asked {
    bytes(name, SMALL, move || wat::parse_str(text).unwrap())
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        text("import-unknown", r#"(component (import "acme:database/sql@1.0.0" (instance)))"#)
            .refused("Import", &["acme:database/sql@1.0.0"]),
        text("import-http", r#"(component (import "wasi:http/outgoing-handler@0.2.0" (instance)))"#)
            .refused("Import", &["wasi:http/outgoing-handler@0.2.0", "outbox"]),
        text("import-http-types", r#"(component (import "wasi:http/types@0.2.0" (instance)))"#)
            .refused("Import", &["wasi:http/types@0.2.0"]),
        text("import-threads", r#"(component (import "wasi:thread/spawn@0.2.0" (instance)))"#)
            .refused("Import", &["wasi:thread/spawn@0.2.0"]),
        text("import-nn", r#"(component (import "wasi:nn/inference@0.2.0" (instance)))"#)
            .refused("Import", &["wasi:nn/inference@0.2.0"]),
        text("import-wasi-0.3", r#"(component (import "wasi:clocks/monotonic-clock@0.3.0" (instance)))"#)
            .refused("Import", &["wasi:clocks/monotonic-clock@0.3.0", "0.2"]),
        text("import-without-version", r#"(component (import "hob:bot/fhir" (instance)))"#)
            .refused("Import", &["hob:bot/fhir", "hob:bot@0.1"]),
        text("import-other-version", r#"(component (import "hob:bot/fhir@0.9.0" (instance)))"#)
            .refused("Import", &["hob:bot/fhir@0.9.0", "hob:bot@0.1"]),
        text("import-next-major", r#"(component (import "hob:bot/fhir@1.0.0" (instance)))"#)
            .refused("Import", &["hob:bot/fhir@1.0.0", "hob:bot@0.1"]),
        text("import-of-no-interface", r#"(component (import "hob:bot/shell@0.1.1" (instance (export "run" (func)))))"#)
            .refused("Import", &["hob:bot/shell@0.1.1"]),
        text("import-of-no-function", r#"(component (import "hob:bot/settings@0.1.1" (instance (export "set" (func)))))"#)
            .refused("Import", &["hob:bot/settings@0.1.1"]),
        text(
            "import-of-another-type",
            r#"(component (import "hob:bot/settings@0.1.1" (instance (export "get" (func (param "name" u32))))))"#,
        )
        .refused("Import", &["hob:bot/settings@0.1.1"]),
        text("import-of-another-kind", r#"(component (import "hob:bot/settings@0.1.1" (func)))"#)
            .refused("Import", &["hob:bot/settings@0.1.1"]),
        text("import-a-core-module", r#"(component (import "code" (core module)))"#).refused("Import", &["code"]),
        text("import-a-component", r#"(component (import "code" (component)))"#)
            .refused("Compile", &["component imports are not supported"]),
        text("export-missing", "(component)").refused("Export", &["handle"]),
        text("export-an-instance", r#"(component (instance $i) (export "handle" (instance $i)))"#).refused("Export", &["handle"]),
        text(
            "export-another-type",
            r#"(component
                (core module $m (func (export "handle") (result i32) i32.const 1))
                (core instance $i (instantiate $m))
                (func (export "handle") (result u32) (canon lift (core func $i "handle"))))"#,
        )
        .refused("Export", &["handle"]),
        text(
            "async-lift",
            r#"(component
                (core module $m (func (export "handle") (result i32) i32.const 1))
                (core instance $i (instantiate $m))
                (func (export "handle") async (canon lift (core func $i "handle") async)))"#,
        )
        .refused("Compile", &["async"]),
        script("machine", SMALL, Server::with([]), json!([["machine"]])).harmless(nothing_to_see),
    ]
}

/// No files, sockets, environment, arguments; the clock of the run.
fn nothing_to_see(output: &RunOutput) -> Result<(), String> {
    let answers = answers(output)?;
    let machine = &answers[0];
    let shut = ["root", "file", "write", "dial", "listen"].iter().all(|door| machine[door] == false);
    let empty = machine["args"] == 0 && machine["env"] == 0;
    let still = machine["now"].as_str().is_some_and(|now| now == crate::stage::now().micros().to_string());
    if shut && empty && still { Ok(()) } else { Err(machine.to_string()) }
}

#[test]
fn imports() {
    crate::judge::group("imports", cases());
}
