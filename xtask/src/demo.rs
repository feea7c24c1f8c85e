//! A synthetic clinic morning on a FHIR server, step by step, timed and checked: on the test server, or with `--fhir hapi` on a real HAPI.
//!
//! Nothing here is taken from the bots: what is shown is read back from the FHIR server, and compared with what a person would expect there.

mod fhir;
mod morning;
mod processes;
mod scenes;

use std::io::BufRead as _;

use crate::{bots, setup, shell};

/// Which FHIR server it is played on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The one of `runtime/testserver`, which needs no Java.
    Test,
    /// The HAPI of `tests/servers/hapi`.
    Hapi,
}

impl Which {
    /// What the person at the terminal reads.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Test => "the test server (R4, in memory)",
            Self::Hapi => "HAPI FHIR",
        }
    }
}

/// Plays it. `--keep` leaves server and host running until Enter or Ctrl-C.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    let (mut keep, mut which) = (false, Which::Test);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match (*arg, *arg == "--fhir") {
            ("--keep", _) => keep = true,
            (_, true) => {
                which = match rest.next() {
                    Some(&"hapi") => Which::Hapi,
                    Some(&"test") => Which::Test,
                    _ => return Err("--fhir is test (the default) or hapi".into()),
                }
            }
            _ => return Err(format!("demo takes --keep and --fhir test|hapi, not {}", args.join(" "))),
        }
    }
    setup::wasm_target()?;
    let server = match which {
        Which::Hapi => {
            setup::java()?;
            processes::build_hapi()?;
            // It takes its time to start: it does so while the rest is built.
            let hapi = processes::Fhir::hapi()?;
            build(which)?;
            hapi
        }
        Which::Test => {
            build(which)?;
            processes::Fhir::test()?
        }
    };
    let fhir = fhir::Fhir::new(server.wait()?);
    println!("   {} answers at {}", which.name(), fhir.base());
    let host = processes::Host::start()?;
    println!("   hob takes notifications at {}, commands at {}", host.webhooks, host.admin);

    let told = morning::play(&host, &fhir, which)?;
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

fn build(which: Which) -> Result<(), String> {
    let mut args = vec!["build", "--workspace", "--bin", "hob"];
    if which == Which::Test {
        args.extend(["--bin", "hob-testserver"]);
    }
    shell::step("build hob", shell::cargo().args(args))?;
    bots::build()
}
