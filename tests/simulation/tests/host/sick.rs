//! Servers that are out of order for an hour: nobody else notices, and afterwards nothing is missing.

use std::time::Duration;

use crate::dead::site_with;
use crate::far::Health;
use crate::notes::{self, notes, p99};

/// The one that is well, and those that are not, with what ails each.
const WELL: &str = "well";
const SICK: [(&str, Health); 5] = [
    ("fails", Health::Fails),
    ("hangs", Health::Hangs),
    ("resets", Health::Resets),
    ("halves", Health::Halves),
    ("redirects", Health::Redirects),
];

/// How many Tasks each server has. Each of them is changed again and again.
const TASKS: usize = 40;
/// Changes that each server gets at the begin of the hour, all at once.
const BURST: usize = 200;
/// Changes that each gets later in the hour, one after another.
const CHANGES: usize = 900;
const BETWEEN: Duration = Duration::from_secs(4);

/// An hour of the server that is well, alone or beside those that are not; gives the 99th percentile of its own.
async fn hour(sick: &[(&str, Health)]) -> Duration {
    let sources: Vec<&str> = sick.iter().map(|(name, _)| *name).chain([WELL]).collect();
    let site = site_with(&sources, notes).await;
    for source in &sources {
        notes::deploy(&site, source).await;
    }
    for (source, health) in sick {
        site.is(source, *health);
    }
    let write = |n: usize| {
        for source in &sources {
            site.write_on(source, &format!("t{}", n % TASKS), "ready");
        }
    };
    (0..BURST).for_each(write);
    for n in 0..CHANGES {
        write(n);
        tokio::time::sleep(BETWEEN).await;
    }
    for (source, _) in sick {
        assert_eq!(notes::done(&site, source).await, 0, "{source} was to be out of order");
        site.is(source, Health::Well);
    }
    for (source, _) in sick {
        notes::all_are_there(&site, source, BURST + CHANGES).await;
    }
    p99(notes::all_are_there(&site, WELL, BURST + CHANGES).await.values())
}

#[tokio::test(start_paused = true)]
async fn servers_that_are_out_of_order_for_an_hour_slow_nobody_down_and_get_all_that_is_theirs_afterwards() {
    let (alone, beside) = (hour(&[]).await, hour(&SICK).await);
    println!("p99 of the one that is well: {alone:?} alone, {beside:?} beside five that are not");
    assert!(beside <= alone, "{alone:?} became {beside:?}");
}
