//! Project tasks: set-up, build of the bots, demo, test, bench.
fn main() {}
