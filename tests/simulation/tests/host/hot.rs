//! One patient with half of the traffic.

use std::time::Duration;

use crate::dead::site;
use crate::notes::{self, notes, p99};
use crate::site::EHR;

const PATIENTS: usize = 1_000;
/// Updates of the others together. They come all at once, as after a stop of the server. A build for release plays 100,000 in all.
const OTHERS: usize = if cfg!(debug_assertions) { 4_000 } else { 50_000 };
const HOT: &str = "hot";

/// Gives the 99th percentile of the others.
async fn backlog(hot: bool) -> Duration {
    let site = site(notes).await;
    notes::deploy(&site, EHR).await;
    for n in 0..OTHERS {
        site.write_on(EHR, &format!("p{}", n % (PATIENTS - 1)), "ready");
        if hot {
            site.write_on(EHR, HOT, "ready");
        }
    }
    let notes = notes::all_are_there(&site, EHR, if hot { 2 * OTHERS } else { OTHERS }).await;
    p99(notes.iter().filter(|((id, _), _)| id != HOT).map(|(_, note)| note))
}

#[tokio::test(start_paused = true)]
async fn a_patient_with_half_of_the_traffic_keeps_its_order_and_does_not_double_the_p99_of_the_others() {
    let (without, with) = (backlog(false).await, backlog(true).await);
    println!("p99 of the others: {without:?} without the hot patient, {with:?} with it");
    assert!(with <= without * 2, "{without:?} became {with:?}");
}
