//! Whether a person's licence is valid in a state over some days.
//!
//! A licence is a `Practitioner.qualification` of one of the needed kinds with Plan-Net's extension naming the state in `whereValid`. It
//! needs positive evidence of being in force: status `active`, or no status and a period with an end that covers the work; any
//! other status, and a period that does not cover every day, rule it out. A licence of the same kind in the same state that is revoked,
//! suspended, restricted or surrendered outweighs an active one: two records that contradict each other are for a person to settle.

use super::decision::Ineligible;
use crate::fhir::{Coding, codings, extension, list, text};
use crate::ids;
use crate::place::state_named;
use crate::when::period_covers;
use chrono::NaiveDate;
use serde_json::Value;

/// Statuses that stand against the person, not only against the record. Plan-Net's own is `revoked`; the others are what boards call it.
const AGAINST: [&str; 6] = ["revoked", "suspended", "restricted", "probation", "surrendered", "encumbered"];

/// The licence that makes the person eligible, as (system, code), or the reason that comes closest to one.
pub(crate) fn licensed<'a>(
    practitioner: &'a Value,
    kinds: &[Coding],
    state: &str,
    (first, last): (NaiveDate, NaiveDate),
) -> Result<(&'a str, &'a str), Ineligible> {
    let (mut closest, mut valid) = (Ineligible::NoLicence, None);
    for qualification in list(practitioner, "qualification") {
        let Some(code) = qualification.get("code") else {
            continue;
        };
        if !kinds.iter().any(|kind| kind.is_in(code)) {
            continue;
        }
        let records: Vec<&Value> =
            list(qualification, "extension").iter().filter(|e| text(e, "url") == Some(ids::PLAN_NET_QUALIFICATION)).collect();
        for record in records {
            let here = list(record, "extension").iter().filter(|e| text(e, "url") == Some("whereValid"));
            let mut here = here.filter_map(|e| e.get("valueCodeableConcept"));
            if !here.any(|place| {
                codings(place).any(|(system, code)| is_usps(system) && state_named(code).is_some_and(|s| s.code == state))
            }) {
                closest = closest.max(Ineligible::NotInState);
                continue;
            }
            let stated = extension(record, "status");
            let status = stated.and_then(|s| text(s, "valueCode"));
            if status.is_some_and(|status| AGAINST.contains(&status)) {
                return Err(Ineligible::Restricted);
            }
            let period = qualification.get("period");
            let in_force = match (stated, status) {
                (_, Some("active")) => true,
                (None, _) => period.is_some_and(|p| p.get("end").is_some()),
                _ => false,
            };
            if !in_force {
                closest = closest.max(Ineligible::LicenceNotActive);
            } else if !period_covers(period, first, last) {
                closest = closest.max(Ineligible::LicenceNotOverWindow);
            } else if valid.is_none() {
                valid = codings(code)
                    .find(|(system, code)| kinds.iter().any(|k| k.system.split('|').next() == Some(*system) && k.code == *code));
            }
        }
    }
    valid.ok_or(closest)
}

/// The system of USPS state codes, with or without the final slash.
fn is_usps(system: &str) -> bool {
    system.trim_end_matches('/') == ids::USPS.trim_end_matches('/')
}
