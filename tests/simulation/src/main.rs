//! `hob-sim`
fn main() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "simulated").unwrap();
    let args: Vec<String> = std::env::args().collect();
    let from: u64 = args.get(1).and_then(|a| a.parse().ok()).unwrap_or(0);
    let n: u64 = args.get(2).and_then(|a| a.parse().ok()).unwrap_or(1);
    let mutant = args.get(3).filter(|a| *a != "-").map(|m| m.parse().unwrap());
    let told = args.get(4).is_some();
    for seed in from..from + n {
        let plan = hob_simulation::world::Plan { seed, changes: 200, mutant, told, secret: secret.clone() };
        let outcome = hob_simulation::world::play(&plan).unwrap();
        println!("seed {seed}: {:?} {:?} {:?}", outcome.runs, outcome.simulated, outcome.digest);
        for b in &outcome.breaches {
            println!("   {} {:?} {}", b.rule, b.subject, b.what);
        }
        for l in &outcome.story {
            println!("{l}");
        }
    }
}
