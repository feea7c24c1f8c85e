//! A bot that tries to learn or to write what its scopes do not give. The server finds all that it has, whatever is asked.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hob_engine::RunOutput;
use serde_json::{Value, json};

use crate::case::{Asked, Case, nothing, script};
use crate::server::Server;
use crate::stage::{self, answers};

/// What is in no scope of these bots, or outside of their search parts.
const HIDDEN: &str = "Chalmers";

fn task(id: &str, status: &str) -> Value {
    let note = json!([{ "text": if status == "draft" { HIDDEN } else { "n" } }]);
    let patient = json!({ "reference": "Patient/p" });
    json!({ "resourceType": "Task", "id": id, "status": status, "intent": "order", "for": patient, "note": note })
}

fn server() -> Server {
    Server::with([
        task("ready", "ready"),
        task("draft", "draft"),
        task("moved", "draft"),
        task("moved", "ready"),
        json!({ "resourceType": "Patient", "id": "p", "name": [{ "family": HIDDEN }] }),
        json!({ "resourceType": "Observation", "id": "o", "subject": { "reference": "Patient/p", "display": HIDDEN } }),
    ])
}

fn bot(name: &str, scopes: &str, steps: Value) -> Asked {
    script(name, &format!("scopes = [{scopes}]\n"), server(), steps)
}

const READY: &str = "\"system/Task.rs?status=ready\"";
const TASKS: &str = "\"system/Task.cruds\"";

pub(crate) fn cases() -> Vec<Case> {
    let mut all = asks();
    all.extend(writes());
    all
}

fn asks() -> Vec<Case> {
    let search = |query: &str| json!([["search", "Task", query], ["runs"]]);
    vec![
        bot("read-without-scope", TASKS, json!([["read", "Patient/p"], ["runs"]])).denied("system/Patient.r"),
        bot("read-of-what-is-not-covered", READY, json!([["read", "Task/draft"]])).denied("system/Task.r"),
        bot("vread-of-what-was-not-covered", READY, json!([["vread", "Task/moved", "1"]])).denied("system/Task.r"),
        bot("history-of-what-was-not-covered", READY, json!([["history", "Task/moved"]])).harmless(hides),
        bot("search-without-scope", TASKS, json!([["search", "Patient", ""]])).denied("system/Patient.s"),
        bot("batch-without-scope", TASKS, json!([["batch", ["Task/ready", "Patient/p", "Patient?name=C"]]]))
            .denied("system/Patient.r"),
        bot("include", TASKS.replace("cruds", "rs").as_str(), search("_include=Task:patient")).harmless(no_patient),
        bot("include-everything", TASKS, search("_include=*&_include:iterate=*")).harmless(no_patient),
        bot("revinclude", TASKS, search("_revinclude=Observation:subject")).harmless(no_patient),
        bot("contained", TASKS, search("_contained=both&_containedType=contained")).harmless(no_patient),
        bot("search-hides", READY, search("")).harmless(hides),
        bot("elements-hide-what-decides", "\"system/Task.rs?owner:missing=true\"", json!([["search", "Task", "_elements=id"]]))
            .harmless(no_entry),
        bot("total-of-what-is-hidden", READY, search("status=draft&_summary=count")).harmless(no_total),
        bot("chain", TASKS, search("patient.name=Chalmers")).denied("system/Patient.s"),
        bot("chain-with-type", TASKS, search("subject:Patient.name=Chalmers")).denied("system/Patient.s"),
        bot("chain-of-chains", TASKS, search("patient.organization.name=C")).denied("system/Organization.s"),
        bot("has", TASKS, search("_has:Observation:focus:code=1234")).denied("system/Observation.s"),
        bot("has-encoded", TASKS, search("%5Fhas:Observation:focus:code=1234")).denied("system/Observation.s"),
        bot("sort-by-chain", TASKS, search("_sort=patient.name")).denied("system/Patient.s"),
        bot("filter-language", TASKS, search("_filter=patient.name eq Chalmers")).denied("system/*.s"),
        bot("batch-of-chains", TASKS, json!([["batch", ["Task?patient.name=Chalmers"]]])).denied("system/Patient.s"),
        bot(
            "reference-tricks",
            TASKS,
            json!([
                ["read", "Task/../Patient/p"],
                ["read", "Task/ready/_history"],
                ["read", "Patient/p/$everything"],
                ["read", "https://evil.example/Task/1"],
                ["read", "Task/ready?_format=xml"],
                ["read", "/Task/ready"],
                ["read", "Task//ready"],
                ["read", "Task/ready\n"],
                ["read", "Task/%2e%2e"],
                ["vread", "Task/ready", "../1"],
                ["search", "Task/ready", ""],
                ["search", "../Patient", ""],
                ["search", "Task?x", ""],
                ["search", "task", ""],
                ["more", "https://evil.example/"],
                ["more", "page:1"],
                ["more", "page:-1"],
                ["guard", "Task/../x", "1"],
            ]),
        )
        .harmless(all_invalid),
    ]
}

fn writes() -> Vec<Case> {
    let mut all = uncovered();
    all.extend(conditional());
    all
}

/// A step that patches.
fn patch(reference: &str, op: &str, path: &str, value: Value) -> Value {
    json!(["patch", reference, [{ "op": op, "path": path, "value": value }]])
}

/// Writes of types, of old contents and of new ones that no scope covers.
fn uncovered() -> Vec<Case> {
    let observation = json!({ "resourceType": "Observation", "status": "final" });
    let entry = json!({ "resource": observation, "request": { "method": "POST", "url": "Observation" } });
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [entry] });
    let contained = json!([{ "resourceType": "Patient", "id": "p" }]);
    let with_contained = json!({ "resourceType": "Task", "status": "draft", "contained": contained });
    let (ready, created) = ("\"system/Task.ru?status=ready\"", "\"system/Task.c?status=ready\"");
    let to = |reference: &str, status: &str| patch(reference, "replace", "/status", json!(status));
    let renamed = json!([
        patch("Task/ready", "replace", "/id", json!("draft")),
        patch("Task/ready", "replace", "/resourceType", json!("Patient")),
        patch("Task/ready", "replace", "", json!({ "resourceType": "Patient", "id": "p" })),
        patch("Task/ready", "remove", "/id", json!(null)),
        patch("Task/ready", "replace", "", json!([])),
    ]);
    let asks = json!([patch("Task/ready", "test", "/note/0/text", json!("n"))]);
    vec![
        bot("create-without-scope", TASKS, json!([["create", observation], ["runs"]])).denied("system/Observation.c"),
        bot("create-of-a-bundle", TASKS, json!([["create", bundle]])).denied("system/Bundle.c"),
        bot("create-with-contained", TASKS, json!([["create", with_contained]])).harmless(one_task),
        bot("update-of-uncovered-old", ready, json!([["update", task("draft", "ready")]])).denied("system/Task.u"),
        bot("update-to-uncovered-new", ready, json!([["update", task("ready", "draft")]])).denied("system/Task.u"),
        bot("patch-of-uncovered-old", ready, json!([to("Task/draft", "ready")])).denied("system/Task.r"),
        bot("patch-to-uncovered-new", ready, json!([to("Task/ready", "draft")])).denied("system/Task.u"),
        bot("patch-of-an-uncovered-create", created, json!([["create", task("x", "ready")], to("{0}", "draft")]))
            .denied("system/Task.c"),
        bot("delete-of-uncovered", "\"system/Task.d?status=ready\"", json!([["delete", "Task/draft"]])).denied("system/Task.d"),
        bot("patch-of-type-and-id", TASKS, renamed).harmless(all_invalid),
        bot("patch-asks-what-may-not-be-read", "\"system/Task.u\"", asks).denied("system/Task.r"),
    ]
}

/// Writes whose fate the server decides by a search.
fn conditional() -> Vec<Case> {
    let draft = || task("x", "draft");
    let reference = || json!({ "reference": "Patient?name=Chalmers" });
    let created = json!({ "resourceType": "Task", "status": "draft", "for": reference() });
    let updated = json!({ "resourceType": "Task", "id": "ready", "for": reference() });
    let patched = patch("Task/ready", "replace", "/for/reference", json!("Patient?name=Chalmers"));
    let contained = json!([{ "resourceType": "Basic", "id": "b", "subject": reference() }]);
    let contained = json!({ "resourceType": "Task", "status": "draft", "contained": contained });
    let has = "_has:Observation:focus:code=1";
    vec![
        bot("if-none-exist-without-search", "\"system/Task.c\"", json!([["create", draft(), "status=draft"]]))
            .denied("system/Task.s"),
        bot("if-none-exist-with-chain", TASKS, json!([["create", draft(), "patient.name=Chalmers"]])).denied("system/Patient.s"),
        bot("if-none-exist-with-has", TASKS, json!([["create", draft(), has]])).denied("system/Observation.s"),
        bot("conditional-reference-in-create", TASKS, json!([["create", created]])).denied("system/Patient.s"),
        bot("conditional-reference-in-update", TASKS, json!([["update", updated]])).denied("system/Patient.s"),
        bot("conditional-reference-in-patch", TASKS, json!([patched])).denied("system/Patient.s"),
        bot("conditional-reference-in-contained", TASKS, json!([["create", contained]])).denied("system/Patient.s"),
    ]
}

/// The answer holds nothing of what is hidden.
fn hides(output: &RunOutput) -> Result<(), String> {
    let text = answers(output)?.to_string();
    if text.contains(HIDDEN) || !text.contains("\"ready\"") { Err(text) } else { nothing(output) }
}

fn no_patient(output: &RunOutput) -> Result<(), String> {
    let answers = answers(output)?;
    let entries = answers[0]["ok"]["bundle"]["entry"].as_array().ok_or("there is no entry")?;
    let other = entries.iter().find(|entry| entry["resource"]["resourceType"] != "Task");
    if entries.is_empty() || other.is_some() { Err(format!("{other:?}")) } else { nothing(output) }
}

/// A part of a resource does not say whether the whole would be covered.
fn no_entry(output: &RunOutput) -> Result<(), String> {
    let answers = answers(output)?;
    let entries = answers[0]["ok"]["bundle"]["entry"].as_array().map_or(0, Vec::len);
    if entries == 0 {
        Ok(())
    } else {
        Err(format!("{entries} parts of resources are shown of which nobody knows whether they are covered"))
    }
}

/// A count covers what the scope does, or there is none: none of the three tasks is a ready draft.
fn no_total(output: &RunOutput) -> Result<(), String> {
    let total = &answers(output)?[0]["ok"]["bundle"]["total"];
    if total.is_null() || *total == json!(0) {
        Ok(())
    } else {
        Err(format!("the total of {total} counts what the scope does not show"))
    }
}

fn one_task(output: &RunOutput) -> Result<(), String> {
    match output.effects.writes.as_slice() {
        [hob_model::Write::Create { resource, .. }] if resource["resourceType"] == "Task" => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn all_invalid(output: &RunOutput) -> Result<(), String> {
    for (at, answer) in answers(output)?.as_array().into_iter().flatten().enumerate() {
        if answer["error"] != "invalid" {
            return Err(format!("step {at}: {answer}"));
        }
    }
    nothing(output)
}

#[test]
fn what_the_scopes_do_not_give_is_not_even_asked_for() {
    let _turn = stage::turn();
    let server = Arc::new(server());
    let release = stage::actor(&format!("scopes = [{TASKS}]\n"));
    let steps = json!([["read", "Patient/p"], ["search", "Patient", ""], ["history", "Patient/p"], ["batch", ["Patient/p"]]]);
    stage::runtime().block_on(stage::run(&release, &steps, &server));
    assert_eq!(server.asked.load(Ordering::SeqCst), 0);
}

#[test]
fn escapes() {
    crate::judge::group("escapes", cases());
}
