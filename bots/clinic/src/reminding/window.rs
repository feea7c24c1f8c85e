//! Quiet hours by the recipient's clock.
//!
//! Where the zone is not known exactly, an hour counts only if every zone allows it in which the recipient may be. Conversions go
//! through the time zone database, so that days of 23 and 25 hours, and days that a zone never had, come out right.

use super::Settings;
use crate::fhir::{extension, text};
use crate::ids;
use crate::place::{current_addresses, is_us, state_named};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use serde_json::Value;

/// The zones in which a recipient may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Zones {
    /// An extension on the Patient names it.
    Explicit(Tz),
    /// Every zone of the states of the current addresses.
    OfAddresses(Vec<Tz>),
    /// Not known: nothing is sent automatically.
    Unknown,
}

impl Zones {
    /// All of them; empty if unknown.
    #[must_use]
    pub fn all(&self) -> &[Tz] {
        match self {
            Self::Explicit(zone) => std::slice::from_ref(zone),
            Self::OfAddresses(zones) => zones,
            Self::Unknown => &[],
        }
    }
}

/// The zones in which the patient may be on a day: the extension [`ids::TIMEZONE`] on the Patient, else for every current address its own
/// extension or all zones of its state. One address that tells nothing makes it unknown. A name that is not in the database counts as absent.
#[must_use]
pub fn zones(patient: &Value, on: NaiveDate) -> Zones {
    let named = |element: &Value| -> Option<Tz> { text(extension(element, ids::TIMEZONE)?, "valueCode")?.parse().ok() };
    if let Some(zone) = named(patient) {
        return Zones::Explicit(zone);
    }
    let mut all: Vec<Tz> = Vec::new();
    for address in current_addresses(patient, on, on) {
        let at_home = text(address, "country").is_none_or(is_us);
        let state = text(address, "state").and_then(state_named).filter(|_| at_home);
        match (named(address), state) {
            (Some(zone), _) => all.push(zone),
            (None, Some(state)) => all.extend(state.zones),
            (None, None) => return Zones::Unknown,
        }
    }
    all.sort_by_key(|zone| zone.name());
    all.dedup();
    if all.is_empty() { Zones::Unknown } else { Zones::OfAddresses(all) }
}

/// Whether a message may be sent at this instant: it is no quiet hour in any of the zones. Never, if there are none.
#[must_use]
pub fn is_allowed(at: DateTime<Utc>, zones: &[Tz], settings: &Settings) -> bool {
    !zones.is_empty() && zones.iter().all(|zone| is_open(at, *zone, settings))
}

/// The first allowed instant at or after this one; none if the zones share no allowed hour within a fortnight.
#[must_use]
pub fn next_allowed(from: DateTime<Utc>, zones: &[Tz], settings: &Settings) -> Option<DateTime<Utc>> {
    let limit = from.checked_add_days(Days::new(14))?;
    let mut at = from;
    while at <= limit {
        if is_allowed(at, zones, settings) {
            return Some(at);
        }
        // The latest opening of the zones that are closed: no earlier instant is open in all. Always later than `at`, so this ends.
        at = zones.iter().filter(|zone| !is_open(at, **zone, settings)).filter_map(|zone| opening(at, *zone, settings)).max()?;
    }
    None
}

fn is_open(at: DateTime<Utc>, zone: Tz, settings: &Settings) -> bool {
    (settings.first_hour..settings.end_hour).contains(&at.with_timezone(&zone).hour())
}

/// The next time that a zone opens, strictly after an instant at which it is closed.
fn opening(at: DateTime<Utc>, zone: Tz, settings: &Settings) -> Option<DateTime<Utc>> {
    let today = at.with_timezone(&zone).date_naive();
    (0..4).find_map(|day| local(today.checked_add_days(Days::new(day))?, settings.first_hour, zone).filter(|opens| *opens > at))
}

/// The instant at which a zone's clock first shows this hour on this day, or, if it skips it, the first quarter after that it does show.
pub(super) fn local(day: NaiveDate, hour: u32, zone: Tz) -> Option<DateTime<Utc>> {
    let wanted = day.and_hms_opt(hour, 0, 0)?;
    (0..12).find_map(|quarter| {
        let shown = zone.from_local_datetime(&(wanted + TimeDelta::minutes(15 * quarter)));
        shown.earliest().map(|at| at.with_timezone(&Utc))
    })
}
