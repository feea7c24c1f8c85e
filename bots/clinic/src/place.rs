//! States and their time zones, and where a patient is.
//!
//! **Sources.** State names and abbreviations: USPS. Zones: tzdata 2025b, `zone.tab` and the rules that it names; which states
//! have more than one: 49 CFR part 71 (DOT), as of 2026-11. A test holds the table to the rows of `zone.tab`. Where a place keeps another time in
//! practice than in law, only an explicit zone on the Patient helps.
//!
//! **Trade-off.** A state with several zones is all of them: the caller takes an hour that all permit, and loses an hour or two of the
//! day in those states, instead of waking somebody in Pensacola by Miami's clock.

use crate::fhir::{extension, list, text};
use crate::ids;
use crate::when::period_touches;
use chrono::NaiveDate;
use chrono_tz::Tz;
use chrono_tz::{America, Pacific};
use serde_json::Value;
use std::collections::BTreeSet;

/// A US state, the District of Columbia, or a territory.
#[derive(Debug, Clone, Copy)]
pub struct State {
    /// USPS abbreviation.
    pub code: &'static str,
    /// Name.
    pub name: &'static str,
    /// Every IANA zone kept in some part of it.
    pub zones: &'static [Tz],
}

const NEW_YORK: &[Tz] = &[America::New_York];
const CHICAGO: &[Tz] = &[America::Chicago];
const DENVER: &[Tz] = &[America::Denver];
const LOS_ANGELES: &[Tz] = &[America::Los_Angeles];
const CHICAGO_DENVER: &[Tz] = &[America::Chicago, America::Denver];

const fn state(code: &'static str, name: &'static str, zones: &'static [Tz]) -> State {
    State { code, name, zones }
}

/// The fifty states, DC and the five inhabited territories, in order of their codes.
pub static STATES: &[State] = &[
    state(
        "AK",
        "Alaska",
        &[
            America::Anchorage,
            America::Juneau,
            America::Sitka,
            America::Metlakatla,
            America::Yakutat,
            America::Nome,
            America::Adak,
        ],
    ),
    state("AL", "Alabama", CHICAGO),
    state("AR", "Arkansas", CHICAGO),
    state("AS", "American Samoa", &[Pacific::Pago_Pago]),
    // Denver: the Navajo Nation keeps daylight saving time.
    state("AZ", "Arizona", &[America::Phoenix, America::Denver]),
    state("CA", "California", LOS_ANGELES),
    state("CO", "Colorado", DENVER),
    state("CT", "Connecticut", NEW_YORK),
    state("DC", "District of Columbia", NEW_YORK),
    state("DE", "Delaware", NEW_YORK),
    state("FL", "Florida", &[America::New_York, America::Chicago]),
    state("GA", "Georgia", NEW_YORK),
    state("GU", "Guam", &[Pacific::Guam]),
    state("HI", "Hawaii", &[Pacific::Honolulu]),
    state("IA", "Iowa", CHICAGO),
    state("ID", "Idaho", &[America::Boise, America::Los_Angeles]),
    state("IL", "Illinois", CHICAGO),
    state(
        "IN",
        "Indiana",
        &[
            America::Indiana::Indianapolis,
            America::Indiana::Vincennes,
            America::Indiana::Winamac,
            America::Indiana::Marengo,
            America::Indiana::Petersburg,
            America::Indiana::Vevay,
            America::Indiana::Tell_City,
            America::Indiana::Knox,
            America::Chicago,
        ],
    ),
    state("KS", "Kansas", CHICAGO_DENVER),
    state("KY", "Kentucky", &[America::New_York, America::Kentucky::Louisville, America::Kentucky::Monticello, America::Chicago]),
    state("LA", "Louisiana", CHICAGO),
    state("MA", "Massachusetts", NEW_YORK),
    state("MD", "Maryland", NEW_YORK),
    state("ME", "Maine", NEW_YORK),
    state("MI", "Michigan", &[America::Detroit, America::Menominee]),
    state("MN", "Minnesota", CHICAGO),
    state("MO", "Missouri", CHICAGO),
    state("MP", "Northern Mariana Islands", &[Pacific::Saipan]),
    state("MS", "Mississippi", CHICAGO),
    state("MT", "Montana", DENVER),
    state("NC", "North Carolina", NEW_YORK),
    state(
        "ND",
        "North Dakota",
        &[
            America::Chicago,
            America::Denver,
            America::North_Dakota::Center,
            America::North_Dakota::New_Salem,
            America::North_Dakota::Beulah,
        ],
    ),
    state("NE", "Nebraska", CHICAGO_DENVER),
    state("NH", "New Hampshire", NEW_YORK),
    state("NJ", "New Jersey", NEW_YORK),
    state("NM", "New Mexico", DENVER),
    // Denver: West Wendover.
    state("NV", "Nevada", &[America::Los_Angeles, America::Denver]),
    state("NY", "New York", NEW_YORK),
    state("OH", "Ohio", NEW_YORK),
    state("OK", "Oklahoma", CHICAGO),
    state("OR", "Oregon", &[America::Los_Angeles, America::Boise]),
    state("PA", "Pennsylvania", NEW_YORK),
    state("PR", "Puerto Rico", &[America::Puerto_Rico]),
    state("RI", "Rhode Island", NEW_YORK),
    state("SC", "South Carolina", NEW_YORK),
    state("SD", "South Dakota", CHICAGO_DENVER),
    state("TN", "Tennessee", &[America::New_York, America::Chicago]),
    state("TX", "Texas", CHICAGO_DENVER),
    state("UT", "Utah", DENVER),
    state("VA", "Virginia", NEW_YORK),
    state("VI", "U.S. Virgin Islands", &[America::St_Thomas]),
    state("VT", "Vermont", NEW_YORK),
    state("WA", "Washington", LOS_ANGELES),
    state("WI", "Wisconsin", CHICAGO),
    state("WV", "West Virginia", NEW_YORK),
    state("WY", "Wyoming", DENVER),
];

/// The state of this USPS abbreviation or full name, in any case. Anything else (also `AE`, `Calif.`) is none: no guessing.
#[must_use]
pub fn state_named(text: &str) -> Option<&'static State> {
    let text = text.trim();
    STATES.iter().find(|s| s.code.eq_ignore_ascii_case(text) || s.name.eq_ignore_ascii_case(text))
}

/// Where a patient is during some days, as far as the data says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// One state.
    In(&'static str),
    /// One of several: current addresses lie in different states (codes in order).
    OneOf(Vec<&'static str>),
    /// A current address is outside the United States.
    Abroad,
    /// No current address, or one whose state is absent or cannot be read.
    Unknown,
}

/// Where the patient is between two days (included).
///
/// First what was confirmed for this work: the extension [`ids::CONFIRMED_STATE`] on one of `confirmed` (the Task, then the Encounter).
/// Otherwise Patient.address: those of use `home`, `temp` or none that are not of type `postal` and whose period may touch the days. A
/// temporary address counts as much as the home: the patient may be at either, so two states are [`Whereabouts::OneOf`].
#[must_use]
pub fn whereabouts(patient: &Value, confirmed: &[&Value], first: NaiveDate, last: NaiveDate) -> Whereabouts {
    for resource in confirmed {
        if let Some(given) = extension(resource, ids::CONFIRMED_STATE) {
            let named = text(given, "valueCode").or_else(|| text(given, "valueString")).or_else(|| {
                let coding = given.get("valueCoding").or_else(|| given.get("valueCodeableConcept")?.get("coding")?.get(0))?;
                text(coding, "code")
            });
            // Confirmed but unreadable is not the same as not confirmed: the address must not overrule it.
            return named.and_then(state_named).map_or(Whereabouts::Unknown, |s| Whereabouts::In(s.code));
        }
    }
    let mut states = BTreeSet::new();
    let mut unreadable = false;
    for address in list(patient, "address") {
        let lived_in = matches!(text(address, "use"), None | Some("home" | "temp")) && text(address, "type") != Some("postal");
        if !lived_in || !period_touches(address.get("period"), first, last) {
            continue;
        }
        if let Some(country) = text(address, "country")
            && !is_us(country)
        {
            return Whereabouts::Abroad;
        }
        match text(address, "state").and_then(state_named) {
            Some(state) => drop(states.insert(state.code)),
            None => unreadable = true,
        }
    }
    let mut states = states.into_iter();
    match (unreadable, states.next(), states.next()) {
        (true, _, _) | (false, None, _) => Whereabouts::Unknown,
        (false, Some(only), None) => Whereabouts::In(only),
        (false, Some(a), Some(b)) => Whereabouts::OneOf([a, b].into_iter().chain(states).collect()),
    }
}

/// The addresses at which the patient may be between two days: home, temporary or of no stated use, not postal only.
pub(crate) fn current_addresses(patient: &Value, first: NaiveDate, last: NaiveDate) -> impl Iterator<Item = &Value> {
    list(patient, "address").iter().filter(move |address| {
        let lived_in = matches!(text(address, "use"), None | Some("home" | "temp")) && text(address, "type") != Some("postal");
        lived_in && period_touches(address.get("period"), first, last)
    })
}

/// ISO 3166 and the usual spellings; a territory is often given as its own country.
pub(crate) fn is_us(country: &str) -> bool {
    let country = country.trim();
    let own = ["US", "USA", "U.S.", "U.S.A.", "United States", "United States of America"];
    let territories = ["PR", "PRI", "VI", "VIR", "GU", "GUM", "MP", "MNP", "AS", "ASM"];
    own.iter().chain(&territories).any(|name| name.eq_ignore_ascii_case(country))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(patient: &Value, confirmed: &[&Value]) -> Whereabouts {
        let day = "2026-11-22".parse().unwrap();
        whereabouts(patient, confirmed, day, day)
    }

    #[test]
    fn codes_are_sorted_and_unique() {
        assert!(STATES.windows(2).all(|w| w[0].code < w[1].code));
        assert_eq!(STATES.len(), 56);
    }

    #[test]
    fn every_zone_of_zone_tab_is_used_and_no_other() {
        let rows = include_str!("../../../tests/fixtures/clinic/zone-us.tab");
        let listed: BTreeSet<&str> = rows.lines().filter_map(|l| l.split('\t').nth(2)).collect();
        let used: BTreeSet<&str> = STATES.iter().flat_map(|s| s.zones).map(|z| z.name()).collect();
        assert_eq!(listed, used);
        // A comment that names states ("Mountain - ID (south), OR (east)") names them here too.
        for row in rows.lines() {
            let mut columns = row.split('\t').skip(2);
            let (zone, comment) = (columns.next().unwrap(), columns.next().unwrap_or(""));
            for word in comment.split([' ', '(', ')', ',']).filter(|w| w.len() == 2) {
                if let Some(state) = state_named(word).filter(|s| s.code == word) {
                    assert!(state.zones.iter().any(|z| z.name() == zone), "{zone} is not listed for {word}");
                }
            }
        }
    }

    #[test]
    fn home_and_temporary_address_in_two_states_is_not_decided() {
        let both = json!({ "address": [{ "use": "home", "state": "NY" }, { "use": "temp", "state": "Florida" }] });
        assert_eq!(at(&both, &[]), Whereabouts::OneOf(vec!["FL", "NY"]));
        let past = json!({ "address": [{ "use": "home", "state": "NY" }, { "use": "temp", "state": "FL", "period": { "end": "2026-03-01" } }] });
        assert_eq!(at(&past, &[]), Whereabouts::In("NY"));
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        assert_eq!(at(&json!({}), &[]), Whereabouts::Unknown);
        assert_eq!(at(&json!({ "address": [{ "state": "NY" }, { "city": "Albany" }] }), &[]), Whereabouts::Unknown);
        assert_eq!(at(&json!({ "address": [{ "state": "AE" }] }), &[]), Whereabouts::Unknown);
        assert_eq!(at(&json!({ "address": [{ "use": "old", "state": "NY" }] }), &[]), Whereabouts::Unknown);
        assert_eq!(at(&json!({ "address": [{ "state": "ON", "country": "CA" }] }), &[]), Whereabouts::Abroad);
    }

    #[test]
    fn a_confirmed_state_comes_first() {
        let patient = json!({ "address": [{ "state": "NY" }] });
        let task = json!({ "extension": [{ "url": ids::CONFIRMED_STATE, "valueCode": "nj" }] });
        assert_eq!(at(&patient, &[&task]), Whereabouts::In("NJ"));
        let unreadable = json!({ "extension": [{ "url": ids::CONFIRMED_STATE, "valueCode": "?" }] });
        assert_eq!(at(&patient, &[&unreadable]), Whereabouts::Unknown);
    }
}
