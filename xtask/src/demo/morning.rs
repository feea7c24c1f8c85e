//! The morning: what happens, what is expected, and what was seen.

use std::time::Duration;

use serde_json::{Value, json};

use super::Which;
use super::fhir::{Fhir, Seen};
use super::processes::Host;
use super::scenes::{self, ESCALATION, RED_FLAG, SCORE};
use crate::shell;

struct Morning<'a> {
    fhir: &'a Fhir,
    /// What the bots wrote, for the validator.
    made: Vec<Value>,
    rows: Vec<(&'static str, Duration)>,
}

/// Opens the clinic, plays the morning, and checks what the bots left; gives the summary.
pub(crate) fn play(host: &Host, fhir: &Fhir, which: Which) -> Result<String, String> {
    open(host, fhir)?;
    let mut morning = Morning { fhir, made: Vec::new(), rows: Vec::new() };
    morning.score()?;
    morning.correction()?;
    morning.red_flag()?;
    morning.assignment()?;
    morning.nobody()?;
    morning.reminder()?;
    morning.validate(which)?;
    settled(host)?;
    Ok(morning.summary())
}

fn open(host: &Host, fhir: &Fhir) -> Result<(), String> {
    println!("=> the clinic's people come to the server");
    let folder = shell::root().join("examples/clinic");
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).map_err(|e| format!("examples/clinic/{name}: {e}"));
    let json = |name: &str| text(name).and_then(|t| serde_json::from_str::<Value>(&t).map_err(|e| format!("{name}: {e}")));
    let mut people = json("people.json")?;
    let (zone, clock) = scenes::daytime();
    for entry in people["entry"].as_array_mut().into_iter().flatten() {
        if entry["resource"]["id"] == "ana" {
            entry["resource"]["extension"] =
                json!([{"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": zone}]);
        }
    }
    fhir.post("", &people)?;
    println!("   staff with their licences; Ana, of New York, who is in {zone} this week, where it is {clock}; Ben, of Montana");
    println!("=> hob comes to know the server, and gets its bots");
    host.hob(&["source", "add", "clinic", "--base", fhir.base()])?;
    host.hob(&["source", "check", "clinic"])?;
    let component = |bot: &str| crate::bots::folder().join(format!("{}.wasm", bot.replace('-', "_"))).display().to_string();
    for (bot, setting) in [
        ("pro-scorer", "crisis=@examples/clinic/crisis.json"),
        ("task-router", "rules=@examples/clinic/rules.json"),
        ("reminder", "clinic=Elm Street Clinic"),
    ] {
        let folder = format!("bots/{bot}");
        host.hob(&["deploy", &folder, "--source", "clinic", "--component", &component(bot), "--set", setting])?;
    }
    Ok(())
}

impl Morning<'_> {
    fn say(&mut self, what: &'static str, seen: &Seen, told: &str) {
        println!("   {:>7.0} ms  {told}", seen.after.as_secs_f64() * 1000.0);
        self.rows.push((what, seen.after));
        self.made.push(seen.resource.clone());
    }

    fn score(&mut self) -> Result<(), String> {
        println!("=> 9:00  Ana answers a PHQ-9");
        let written = self.fhir.write(&scenes::phq9("ana-monday", "completed", &[2, 1, 2, 2, 1, 1, 2, 1, 0]))?;
        let seen = self
            .fhir
            .wait(&written, "the score of Ana's PHQ-9", |fhir| only(fhir, "Observation", SCORE, "ana-monday:44261-6"))?;
        expect(&seen.resource, "/valueQuantity/value", &json!(12))?;
        expect(&seen.resource, "/derivedFrom/0/reference", &json!("QuestionnaireResponse/ana-monday"))?;
        expect(&seen.resource, "/subject/reference", &json!("Patient/ana"))?;
        self.say("survey to score", &seen, &format!("{} says 12 of 27, derived from her answers", name(&seen.resource)));
        Ok(())
    }

    fn correction(&mut self) -> Result<(), String> {
        println!("=> 9:05  Ana corrects one answer");
        let before = only(self.fhir, "Observation", SCORE, "ana-monday:44261-6")?.ok_or("the score has gone")?;
        let written = self.fhir.write(&scenes::phq9("ana-monday", "amended", &[2, 1, 3, 3, 1, 1, 2, 1, 0]))?;
        let seen = self.fhir.wait(&written, "the corrected score", |fhir| {
            let found = only(fhir, "Observation", SCORE, "ana-monday:44261-6")?;
            Ok(found.filter(|now| now["meta"]["versionId"] != before["meta"]["versionId"]))
        })?;
        expect(&seen.resource, "/valueQuantity/value", &json!(14))?;
        expect(&seen.resource, "/id", &before["id"])?;
        self.say(
            "amendment to score",
            &seen,
            &format!("the same {} says 14 now: updated in place, not doubled", name(&seen.resource)),
        );
        Ok(())
    }

    fn red_flag(&mut self) -> Result<(), String> {
        println!("=> 9:12  Ana begins another PHQ-9 and answers item 9 with \"several days\"; she has not sent it off");
        let written = self.fhir.write(&scenes::phq9_item9("ana-open", 1))?;
        let seen = self.fhir.wait(&written, "the red-flag Task", |fhir| only(fhir, "Task", RED_FLAG, "ana-open:phq-9-item-9"))?;
        expect(&seen.resource, "/priority", &json!("stat"))?;
        expect(&seen.resource, "/owner/reference", &json!("CareTeam/crisis-on-call"))?;
        expect(&seen.resource, "/for/reference", &json!("Patient/ana"))?;
        let scores = self.fhir.search(&format!("Observation?identifier={SCORE}%7Cana-open:44261-6"))?;
        if !scores.is_empty() {
            return Err("an unfinished PHQ-9 was given a score".into());
        }
        self.say(
            "red flag to crisis team",
            &seen,
            &format!("{} is with the crisis team, urgent; no score, since the form is not done", name(&seen.resource)),
        );
        Ok(())
    }

    fn assignment(&mut self) -> Result<(), String> {
        println!("=> 9:20  a nurse is asked to call Ana, in New York");
        let written = self.fhir.write(&scenes::task("call-ana", "ana", "Call after survey"))?;
        let seen = self.fhir.wait(&written, "an owner for the task", |fhir| {
            let task = fhir.get("Task/call-ana")?;
            Ok(Some(task).filter(|task| task["owner"]["reference"].is_string()))
        })?;
        expect(&seen.resource, "/owner/reference", &json!("Practitioner/rosa-rn"))?;
        let why = why(&seen.resource)?;
        self.say("task to owner", &seen, &format!("Rosa has it: {why}"));
        Ok(())
    }

    fn nobody(&mut self) -> Result<(), String> {
        println!("=> 9:30  a nurse is asked to call Ben, in Montana, where nobody of the clinic is licensed");
        let written = self.fhir.write(&scenes::task("call-ben", "ben", "Call after survey"))?;
        let seen = self.fhir.wait(&written, "the escalation", |fhir| only(fhir, "Task", ESCALATION, "call-ben"))?;
        let task = self.fhir.get("Task/call-ben")?;
        expect(&task, "/status", &json!("ready"))?;
        expect(&task, "/businessStatus/coding/0/code", &json!("nobody-eligible"))?;
        if !task["owner"].is_null() {
            return Err(format!("the task was given to somebody without a licence: {}", task["owner"]));
        }
        let why = why(&task)?;
        self.made.push(task);
        self.say(
            "nobody to escalation",
            &seen,
            &format!("the task stays ready and unowned, {} tells operations: {why}", name(&seen.resource)),
        );
        Ok(())
    }

    fn reminder(&mut self) -> Result<(), String> {
        println!("=> 9:40  Ana has a survey that falls due in 8 seconds");
        let written = self.fhir.write(&scenes::survey("ana-survey", 8))?;
        let seen = self.fhir.wait(&written, "the reminder", |fhir| {
            // Of Ana's there is one.
            Ok(fhir.search("CommunicationRequest?patient=ana")?.into_iter().next())
        })?;
        if seen.after < Duration::from_secs(6) {
            return Err(format!("the reminder came {} ms after the survey, before it was due", seen.after.as_millis()));
        }
        expect(&seen.resource, "/about/0/reference", &json!("Task/ana-survey"))?;
        expect(&seen.resource, "/status", &json!("active"))?;
        self.say(
            "survey to reminder (due in 8 s)",
            &seen,
            &format!("{}, when due by Ana's clock, outside quiet hours, with no clinical word in it", name(&seen.resource)),
        );
        Ok(())
    }

    fn validate(&self, which: Which) -> Result<(), String> {
        let how = match which {
            Which::Test => "elements, shapes and values by R4's definitions",
            Which::Hapi => "HAPI's own",
        };
        println!("=> all that the bots wrote goes through the server's validator ({how})");
        let mut wrong = Vec::new();
        for resource in &self.made {
            for error in self.fhir.errors(resource)? {
                wrong.push(format!("{}: {error}", name(resource)));
            }
        }
        if wrong.is_empty() {
            println!("   {} resources, no errors", self.made.len());
            Ok(())
        } else {
            Err(wrong.join("\n"))
        }
    }

    fn summary(&self) -> String {
        let longest = self.rows.iter().map(|(what, _)| what.len()).max().unwrap_or(0);
        let row = |(what, after): &(&str, Duration)| format!("  {what:<longest$}  {:>6.0} ms", after.as_secs_f64() * 1000.0);
        let rows: Vec<String> = self.rows.iter().map(row).collect();
        format!(
            "From a write on the FHIR server to what the bots wrote back, as a client sees it:\n{}\nAll as expected.",
            rows.join("\n")
        )
    }
}

/// No run may have ended badly, and none may hang.
fn settled(host: &Host) -> Result<(), String> {
    host.hob(&["runs"])?;
    let dead = host.ask(&["dead"])?;
    let count = |what: &str| dead[what].as_array().map_or(0, Vec::len);
    match (count("runs"), count("notifications")) {
        (0, 0) => Ok(()),
        (runs, notifications) => Err(format!("{runs} runs and {notifications} notifications are dead letters: {dead}")),
    }
}

fn only(fhir: &Fhir, kind: &str, system: &str, value: &str) -> Result<Option<Value>, String> {
    let found = fhir.search(&format!("{kind}?identifier={system}%7C{value}"))?;
    match found.len() {
        0 | 1 => Ok(found.into_iter().next()),
        many => Err(format!("{many} {kind}s where one was to be: work was doubled")),
    }
}

fn expect(resource: &Value, pointer: &str, value: &Value) -> Result<(), String> {
    match resource.pointer(pointer) {
        Some(found) if found == value || found.as_f64().is_some_and(|found| value.as_f64() == Some(found)) => Ok(()),
        found => Err(format!("{}{pointer} is {}, not {value}", name(resource), found.unwrap_or(&Value::Null))),
    }
}

fn why(task: &Value) -> Result<String, String> {
    let notes = task["note"].as_array().and_then(|notes| notes.last());
    let text = notes.and_then(|note| note["text"].as_str()).ok_or_else(|| format!("{} does not say why", name(task)))?;
    Ok(text.trim_end_matches('.').to_owned())
}

fn name(resource: &Value) -> String {
    let part = |key: &str| resource[key].as_str().unwrap_or("?").to_owned();
    format!("{}/{}", part("resourceType"), part("id"))
}
