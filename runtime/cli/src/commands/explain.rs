//! `hob explain`: what a captured notification is. Needs no host.

use std::path::PathBuf;

use hob_ingress::{Explained, Explanation, Signature, explain};
use serde::Serialize;
use serde_json::Value;

use crate::commands::files;
use crate::error::CliError;
use crate::exit_code;
use crate::output::{Output, Paint};
use crate::table::{Cell, Facts, Table};

/// Explain a captured notification
///
/// FILE is a bare body (taken as POST to the endpoint), a wire file (an object with method, path, headers and body), or a capture of
/// many requests, whose signatures are checked against its secret. Ends with 65 and the reason where it is no notification.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob explain notification.json
  curl -s http://localhost:8080/fhir/Task/12 | hob explain -
  hob explain captured.json --json | jq -r '.events[].focus'")]
pub(crate) struct Args {
    /// The file; `-` is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) fn run(args: &Args, out: &Output) -> Result<(), CliError> {
    let bytes = files::read(&args.file)?;
    let explanation = explain(&bytes).map_err(|error| {
        let help = "give a body as the server sent it, or a wire file: {\"method\", \"path\", \"headers\", \"body\"}";
        CliError::new(exit_code::DATA, error.code(), &error, help).at(files::name(&args.file))
    })?;
    if out.json() {
        return out.document(&json(&explanation));
    }
    match explanation {
        Explanation::One(one) => show(&one, out),
        Explanation::Many(many) => {
            for (at, one) in many.iter().enumerate() {
                let gap = if at == 0 { "" } else { "\n" };
                out.line(&format!("{gap}{}", Paint::Bold.on(&format!("request {}", at + 1), out.color())))?;
                show(one, out)?;
            }
            Ok(())
        }
    }
}

fn show(one: &Explained, out: &Output) -> Result<(), CliError> {
    let mut facts = Facts::default();
    facts.add("format", word(&one.format)).add("kind", word(&one.kind)).maybe("subscription", one.subscription.as_deref());
    facts.maybe(
        "signature",
        one.signature.map(|signature| match signature {
            Signature::Verified => Cell::painted("verified", Paint::Green),
            Signature::Absent => Cell::painted("absent", Paint::Yellow),
            Signature::Wrong => Cell::painted("wrong", Paint::Red),
        }),
    );
    if one.events.is_empty() {
        facts.add("events", "none");
    }
    out.line(&facts.render(out.color()))?;
    let mut table = Table::new(&["EVENT", "INTERACTION", "FOCUS", "RESOURCE"]);
    for event in &one.events {
        table.row([
            event.number.map_or_else(String::new, |number| number.to_string()).into(),
            event.interaction.map_or_else(|| "not said".to_owned(), |interaction| interaction.to_string()).into(),
            event.focus.clone().unwrap_or_else(|| "not said".to_owned()).into(),
            if event.has_resource { "yes" } else { "no" }.into(),
        ]);
    }
    if table.is_empty() { Ok(()) } else { out.line(&format!("\n{}", table.render("  ", out.color()))) }
}

/// A value of an enum as the JSON has it.
fn word(value: &impl Serialize) -> String {
    json(value).as_str().unwrap_or_default().to_owned()
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
