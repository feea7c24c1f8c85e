//! A synthetic clinic morning on a real FHIR server, step by step, timed and checked.
//!
//! Nothing here is taken from the bots: what is shown is read back from the FHIR server, and compared with what a person would expect there.

mod fhir;
mod morning;
mod processes;
mod scenes;

use std::io::BufRead as _;

use crate::{bots, setup, shell};

/// Plays it. `--keep` leaves server and host running until Enter or Ctrl-C.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    let keep = match args {
        [] => false,
        ["--keep"] => true,
        _ => return Err(format!("demo takes --keep, not {}", args.join(" "))),
    };
    setup::wasm_target()?;
    setup::java()?;
    processes::build_hapi()?;
    // The server takes its time to start: it does so while the rest is built.
    let hapi = processes::Hapi::start()?;
    shell::step("build hob", shell::cargo().args(["build", "--workspace", "--bin", "hob"]))?;
    bots::build()?;
    let fhir = fhir::Fhir::new(hapi.wait()?);
    println!("   HAPI FHIR answers at {}", fhir.base());
    let host = processes::Host::start()?;
    println!("   hob takes notifications at {}, commands at {}", host.webhooks, host.admin);

    let told = morning::play(&host, &fhir)?;
    println!("\n{told}");
    if keep {
        println!("Left running. FHIR: {}  hob: {}", fhir.base(), host.admin);
        println!("  export HOB_HOST={} HOB_ADMIN_TOKEN={}", host.admin, processes::TOKEN);
        println!("  {} runs", host.binary.display());
        println!("Enter ends both.");
        let _ = std::io::stdin().lock().lines().next();
    }
    host.stop()?;
    Ok(())
}
