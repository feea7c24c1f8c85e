//! `deployed`: a host with 1,000 bots at rest, each of another component, whose compiled code is in the cache.
//!
//! How long the process takes from its start until it is ready, and what memory it then holds for each bot: the difference to a host without bots. Goals: 1 s, and
//! 64 kB.

use crate::child::HostProcess;
use crate::ground::{Bot, Ground};
use crate::report::{Goal, Outcome, Row};
use crate::sink::Sink;
use crate::stopwatch::{Stopwatch, median};

const BOTS: usize = 1_000;
const STARTS: usize = 5;

/// Measures.
pub(crate) async fn bench() -> Outcome<Vec<Row>> {
    let (sink, address) = Sink::start().await?;
    let base = format!("http://{address}/fhir");
    let smallest = Bot::smallest()?;
    let manifests: Vec<String> = (0..BOTS).map(|n| smallest.manifest.replace("bench-bot", &format!("bench-bot-{n}"))).collect();
    let bots = manifests.iter().enumerate().map(|(n, manifest)| Bot { manifest, component: numbered(&smallest.component, n) });
    let (many, none) = (Ground::with(&base, bots.collect()).await?, Ground::with(&base, Vec::new()).await?);
    let compiling = Stopwatch::start();
    HostProcess::start(&many).await?.stop().await?;
    eprintln!("deployed: {BOTS} components compiled in {:.1} s; {STARTS} starts", compiling.elapsed().as_secs_f64());
    let (mut starts, mut each) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let (_, without) = start(&none).await?;
        let (took, with) = start(&many).await?;
        eprintln!("  ready after {took:.2} s; {with:.1} MB, and {without:.1} MB without bots");
        starts.push(took);
        each.push((with - without) * 1e3 / crate::accepts::count(BOTS));
    }
    sink.check()?;
    Ok(vec![
        Row { name: "deployed-start", n: STARTS, median: median(starts), unit: "s", floor: None, goal: Goal::AtMost(1.0) },
        Row { name: "deployed-idle", n: STARTS, median: median(each), unit: "kB", floor: None, goal: Goal::AtMost(64.0) },
    ])
}

/// Gives the seconds until a host is ready, and the MB that it then holds.
async fn start(ground: &Ground) -> Outcome<(f64, f64)> {
    let begun = Stopwatch::start();
    let host = HostProcess::start(ground).await?;
    let took = begun.elapsed().as_secs_f64();
    let holds = host.resident()?;
    host.stop().await?;
    Ok((took, holds))
}

/// The component with a number in a section of its own, which says nothing to anybody.
fn numbered(component: &[u8], number: usize) -> Vec<u8> {
    let section = format!("\x06bench-{number:08}");
    // Shorter than 128, so one byte of LEB128.
    [component, &[0, u8::try_from(section.len()).unwrap_or_default()], section.as_bytes()].concat()
}
