//! When somebody may be reminded, and when never.
// The helpers are test code too, which the lint does not see.
#![allow(clippy::unwrap_used, clippy::panic)]

use chrono::{DateTime, Days, NaiveDate, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use clinic::reminding::{
    CallReason, Channel, Input, Nothing, Plan, Reminder, Settings, Zones, call_task, is_allowed, next_allowed, plan, request,
    zones,
};
use clinic::{STATES, ids};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn survey(due: &str) -> Value {
    json!({ "resourceType": "Task", "id": "t1", "status": "ready", "intent": "order", "authoredOn": "2026-01-01T00:00:00Z",
        "code": { "coding": [{ "system": ids::SDC_TASK_CODES, "code": "complete-questionnaire" }] },
        "for": { "reference": "Patient/p1" }, "restriction": { "period": { "end": due } } })
}

fn adult(state: &str) -> Value {
    json!({ "resourceType": "Patient", "id": "p1", "birthDate": "1980-05-05", "name": [{ "family": "Canary" }],
        "telecom": [{ "system": "phone", "value": "555-0100" }, { "system": "email", "value": "canary@example.org" }],
        "address": [{ "use": "home", "state": state }] })
}

struct Case {
    task: Value,
    patient: Value,
    consents: Vec<Value>,
    sent: BTreeSet<String>,
    settings: Settings,
    now: DateTime<Utc>,
}

impl Case {
    fn new(due: &str, state: &str, now: &str) -> Self {
        Self {
            task: survey(due),
            patient: adult(state),
            consents: vec![],
            sent: BTreeSet::new(),
            settings: Settings { leads_minutes: vec![0], ..Settings::default() },
            now: at(now),
        }
    }

    fn plan(&self) -> Plan {
        let Self { task, patient, consents, sent, settings, now } = self;
        plan(&Input { task, patient, consents, sent, now: *now, settings }).unwrap()
    }

    fn reminder(&self) -> Reminder {
        match self.plan() {
            Plan::SendAt(reminder) => reminder,
            other => panic!("{other:?}"),
        }
    }

    fn call(&self) -> Option<CallReason> {
        match self.plan() {
            Plan::Call(call) => Some(call.reason),
            _ => None,
        }
    }
}

#[test]
fn in_the_open_hours_it_goes_when_due() {
    let case = Case::new("2026-11-24T15:00:00Z", "NY", "2026-11-22T15:00:00Z");
    let reminder = case.reminder();
    assert_eq!(reminder.at, at("2026-11-24T15:00:00Z"));
    assert!(!reminder.is_due(case.now));
    assert_eq!(reminder.identifier, "t1:0:20261124");
}

#[test]
fn at_night_it_waits_for_the_patients_morning_and_not_all_at_once() {
    // Due at 03:00 in New York.
    let mut minutes = BTreeSet::new();
    for n in 0..50 {
        let mut case = Case::new("2026-11-24T08:00:00Z", "NY", "2026-11-22T15:00:00Z");
        case.task["id"] = json!(format!("t{n}"));
        let reminder = case.reminder();
        assert!(reminder.at >= at("2026-11-24T14:00:00Z") && reminder.at < at("2026-11-24T15:00:00Z"));
        minutes.insert(reminder.at.minute());
        // When the timer fires, it is due, whatever the spread.
        case.now = reminder.at;
        assert!(case.reminder().is_due(case.now));
    }
    assert!(minutes.len() > 20);
}

#[test]
fn pensacola_is_not_on_miamis_time() {
    // 09:30 in Miami is 08:30 in Pensacola; 19:30 in Pensacola is 20:30 in Miami.
    let early = Case::new("2026-11-24T14:30:00Z", "FL", "2026-11-22T15:00:00Z").reminder();
    assert!(early.at >= at("2026-11-24T15:00:00Z"));
    let late = Case::new("2026-11-25T01:30:00Z", "FL", "2026-11-22T15:00:00Z").reminder();
    assert!(late.at >= at("2026-11-25T15:00:00Z"));
    // An explicit zone settles it.
    let mut known = Case::new("2026-11-24T14:30:00Z", "FL", "2026-11-22T15:00:00Z");
    known.patient["extension"] = json!([{ "url": ids::TIMEZONE, "valueCode": "America/New_York" }]);
    assert_eq!(known.reminder().at, at("2026-11-24T14:30:00Z"));
    known.patient["extension"][0]["valueCode"] = json!("America/Miami");
    assert!(matches!(known.reminder().zones, Zones::OfAddresses(_)));
}

#[test]
fn a_due_day_is_its_first_allowed_hour() {
    let reminder = Case::new("2026-11-24", "CA", "2026-11-22T15:00:00Z").reminder();
    assert_eq!(reminder.at, at("2026-11-24T17:00:00Z"));
}

#[test]
fn without_a_zone_a_person_calls_when_it_is_time() {
    for address in [
        json!([]),
        json!([{ "city": "Springfield" }]),
        json!([{ "state": "NY" }, { "city": "?" }]),
        json!([{ "state": "ON", "country": "CA" }]),
    ] {
        let mut case = Case::new("2026-11-24T15:00:00Z", "NY", "2026-11-22T15:00:00Z");
        case.patient["address"] = address;
        let Plan::Call(call) = case.plan() else { panic!() };
        assert_eq!((call.reason, call.at, call.is_due(case.now)), (CallReason::ZoneUnknown, at("2026-11-24T15:00:00Z"), false));
        let task = call_task(call.reason, &case.task, &case.settings, case.now).unwrap();
        assert_eq!(task["identifier"][0]["value"], "t1:call");
        assert_eq!(task["for"]["reference"], "Patient/p1");
    }
    let mut abroad = Case::new("2026-11-24T15:00:00Z", "NY", "2026-11-22T15:00:00Z");
    abroad.patient["address"] =
        json!([{ "country": "DE", "extension": [{ "url": ids::TIMEZONE, "valueCode": "Europe/Berlin" }] }]);
    assert_eq!(abroad.reminder().at, at("2026-11-24T15:00:00Z"));
}

#[test]
fn what_stands_against_a_reminder() {
    type Edit = Box<dyn Fn(&mut Case)>;
    let task = |key: &'static str, value: Value| -> Edit { Box::new(move |c| c.task[key] = value.clone()) };
    let patient = |key: &'static str, value: Value| -> Edit { Box::new(move |c| c.patient[key] = value.clone()) };
    let cases: Vec<(Edit, Nothing)> = vec![
        (task("code", json!({ "text": "survey" })), Nothing::NotASurvey),
        (task("status", json!("completed")), Nothing::Done),
        (task("status", json!("cancelled")), Nothing::Cancelled),
        (task("status", json!("entered-in-error")), Nothing::Cancelled),
        (task("status", json!("on-hold")), Nothing::Held),
        (task("status", json!("draft")), Nothing::Held),
        (task("status", Value::Null), Nothing::Held),
        (task("for", json!({ "reference": "Patient/p2" })), Nothing::OtherPatient),
        (task("owner", json!({ "reference": "Practitioner/a" })), Nothing::OwnedByStaff),
        (task("owner", json!({ "reference": "Patient/p2" })), Nothing::OtherPatient),
        (task("restriction", Value::Null), Nothing::NoDue),
        (task("restriction", json!({ "period": { "end": "soon" } })), Nothing::NoDue),
        (patient("deceasedBoolean", json!(true)), Nothing::Deceased),
        (patient("deceasedDateTime", json!("2026")), Nothing::Deceased),
        (patient("active", json!(false)), Nothing::RecordNotInUse),
        (patient("link", json!([{ "type": "replaced-by", "other": { "reference": "Patient/p9" } }])), Nothing::RecordNotInUse),
        (patient("birthDate", json!("2012-01-01")), Nothing::Minor),
        (patient("birthDate", json!("2008-11-23")), Nothing::Minor),
    ];
    for (edit, expected) in cases {
        let mut case = Case::new("2026-11-24T15:00:00Z", "NY", "2026-11-22T15:00:00Z");
        edit(&mut case);
        assert_eq!(case.plan(), Plan::Nothing(expected));
    }
    let mut alive = Case::new("2026-11-24T15:00:00Z", "NY", "2026-11-22T15:00:00Z");
    alive.patient["deceasedBoolean"] = json!(false);
    alive.task["owner"] = json!({ "reference": "Patient/p1" });
    alive.reminder();
}

#[test]
fn age_not_known_or_somebody_else_is_a_call() {
    for birth in [Value::Null, json!("2008"), json!("unknown")] {
        let mut case = Case::new("2026-11-24T15:00:00Z", "NY", "2026-11-22T15:00:00Z");
        case.patient["birthDate"] = birth;
        assert_eq!(case.call(), Some(CallReason::AgeUnknown));
        case.settings.adult_without_birth_date = true;
        case.reminder();
    }
    let mut case = Case::new("2026-11-24T15:00:00Z", "NY", "2026-11-22T15:00:00Z");
    case.patient["birthDate"] = json!("1980");
    case.reminder();
    case.task["owner"] = json!({ "reference": "RelatedPerson/r1" });
    assert_eq!(case.call(), Some(CallReason::SomebodyElse));
}

fn consent(kind: &str, code: &str, status: &str, patient: &str) -> Value {
    json!({ "resourceType": "Consent", "id": "c1", "status": status, "patient": { "reference": format!("Patient/{patient}") },
        "provision": { "type": kind, "code": [{ "coding": [{ "system": ids::CONSENT_CODES, "code": code }] }] } })
}

#[test]
fn opting_out_holds_and_text_messages_need_a_consent() {
    let with = |consents: Vec<Value>| {
        let mut case = Case::new("2026-11-24T15:00:00Z", "NY", "2026-11-22T15:00:00Z");
        case.consents = consents;
        case
    };
    let channel = |consents| with(consents).reminder().channel;
    assert_eq!(with(vec![consent("deny", "automated-contact", "active", "p1")]).plan(), Plan::Nothing(Nothing::OptedOut));
    let mut nested = consent("permit", "sms", "active", "p1");
    nested["provision"]["provision"] = json!([consent("deny", "automated-contact", "active", "p1")["provision"]]);
    assert_eq!(with(vec![nested]).plan(), Plan::Nothing(Nothing::OptedOut));

    assert_eq!(channel(vec![]), Channel::Email);
    assert_eq!(channel(vec![consent("permit", "sms", "active", "p1")]), Channel::Sms);
    assert_eq!(channel(vec![consent("permit", "sms", "inactive", "p1")]), Channel::Email);
    assert_eq!(channel(vec![consent("permit", "sms", "active", "p2")]), Channel::Email);
    assert_eq!(channel(vec![consent("permit", "sms", "active", "p1"), consent("deny", "sms", "active", "p1")]), Channel::Email);
    assert_eq!(channel(vec![consent("deny", "research", "active", "p1")]), Channel::Email);

    let mut case = with(vec![]);
    case.patient["telecom"] = json!([{ "system": "phone", "value": "555-0100" }]);
    assert_eq!(case.reminder().channel, Channel::Portal);
    case.settings.channels = vec![Channel::Sms, Channel::Email];
    assert_eq!(case.call(), Some(CallReason::NoChannel));
}

#[test]
fn of_several_leads_each_goes_once_and_the_missed_ones_collapse() {
    let mut case = Case::new("2026-11-24T18:00:00Z", "NY", "2026-11-20T15:00:00Z");
    case.settings.leads_minutes = vec![0, 1440, 120];
    let first = case.reminder();
    assert_eq!((first.lead_minutes, first.at), (1440, at("2026-11-23T18:00:00Z")));
    case.now = first.at;
    case.sent.insert(first.identifier);
    let second = case.reminder();
    assert_eq!((second.lead_minutes, second.at), (120, at("2026-11-24T16:00:00Z")));
    // The host was down until after the due time: only the last goes, at once.
    case.now = at("2026-11-24T19:00:00Z");
    let last = case.reminder();
    assert_eq!((last.lead_minutes, last.at), (0, case.now));
    assert!(last.is_due(case.now));
    case.sent.insert(last.identifier);
    assert_eq!(case.plan(), Plan::Nothing(Nothing::NoneLeft));
    // Days late is too late.
    let mut late = Case::new("2026-11-20T18:00:00Z", "NY", "2026-11-23T18:00:00Z");
    assert_eq!(late.plan(), Plan::Nothing(Nothing::NoneLeft));
    // A Task written two hours before it is due is not reminded of as of yesterday.
    late = Case::new("2026-11-24T18:00:00Z", "NY", "2026-11-24T16:00:00Z");
    late.settings.leads_minutes = vec![1440, 0];
    late.task["authoredOn"] = json!("2026-11-24T16:00:00Z");
    assert_eq!(late.reminder().lead_minutes, 0);
}

#[test]
fn the_request_says_nothing_clinical() {
    let mut case = Case::new("2026-11-24T15:00:00Z", "NY", "2026-11-24T15:00:00Z");
    case.task["focus"] = json!({ "reference": "Questionnaire/phq-9", "display": "PHQ-9" });
    case.task["description"] = json!("Depression survey");
    case.settings.clinic = "Elm Street Clinic".to_owned();
    case.settings.link = "https://elm.example/forms".to_owned();
    case.settings.contact = "555-0199".to_owned();
    case.consents = vec![consent("permit", "sms", "active", "p1")];
    let reminder = case.reminder();
    let request = request(&reminder, &case.task, &case.patient, &case.settings, case.now).unwrap();
    let message = request["payload"][0]["contentString"].as_str().unwrap();
    assert_eq!(
        message,
        "Elm Street Clinic: you have a form to fill in. Sign in at https://elm.example/forms Questions: 555-0199 Reply STOP to opt out."
    );
    assert!(message.chars().count() <= 160);
    for word in ["PHQ", "epress", "Canary", "555-0100", "1980"] {
        assert!(!request.to_string().contains(word), "{word}");
    }
    assert_eq!(request["occurrenceDateTime"], "2026-11-24T15:00:00Z");
    assert_eq!(request["identifier"][0]["value"], "t1:0:20261124");
}

#[test]
fn settings_cannot_leave_the_law() {
    for (first_hour, end_hour) in [(7, 20), (9, 22), (20, 9), (9, 9)] {
        assert!(Settings { first_hour, end_hour, ..Settings::default() }.check().is_err());
    }
    assert!(Settings { first_hour: 8, end_hour: 21, ..Settings::default() }.check().is_ok());
    assert!(serde_json::from_value::<Settings>(json!({ "quiet": 9 })).is_err());
}

#[test]
fn zones_that_share_no_hour_are_a_call() {
    let mut case = Case::new("2026-11-24T15:00:00Z", "NY", "2026-11-22T15:00:00Z");
    case.patient["address"] = json!([{ "state": "GU" }, { "use": "temp", "state": "NY" }]);
    // Nine to five of Guam and of New York share no hour; nine to eight share two.
    assert!(matches!(case.reminder().at.hour(), 23 | 0));
    case.settings.end_hour = 17;
    assert_eq!(case.call(), Some(CallReason::NoCommonHour));
}

/// Days on which some zone changes its clock, and the days around them.
fn day() -> impl Strategy<Value = NaiveDate> {
    let change =
        (2020i32..2037, prop::sample::select(vec![(3, 8), (3, 14), (11, 1), (11, 7), (4, 3), (10, 2), (9, 27)]), 0u64..8);
    prop_oneof![
        change.prop_map(|(year, (month, day), after)| NaiveDate::from_ymd_opt(year, month, day).unwrap() + Days::new(after)),
        (0u64..7000).prop_map(|n| NaiveDate::from_ymd_opt(2018, 1, 1).unwrap() + Days::new(n)),
    ]
}

fn open_everywhere(at: DateTime<Utc>, zones: &[Tz], settings: &Settings) -> bool {
    zones.iter().all(|zone| {
        let clock = zone.from_utc_datetime(&at.naive_utc()).time();
        clock.hour() >= settings.first_hour && clock.hour() < settings.end_hour
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn never_in_quiet_hours(
        due_day in day(), second in 0i64..86_400, ahead in -1440i64..4320, state in 0usize..56, first_hour in 8u32..14, open in 3u32..8,
        spread_minutes in 0u32..600, leads in prop::collection::vec(0u32..3000, 1..4),
    ) {
        let due = due_day.and_hms_opt(0, 0, 0).unwrap().and_utc() + TimeDelta::seconds(second);
        let now = due - TimeDelta::minutes(ahead);
        let mut case = Case::new(&due.to_rfc3339(), STATES[state].code, "2026-01-01T00:00:00Z");
        case.task["authoredOn"] = Value::Null;
        case.now = now;
        case.settings = Settings { first_hour, end_hour: (first_hour + open).min(21), spread_minutes, leads_minutes: leads, late_minutes: 100_000, ..Settings::default() };
        let Plan::SendAt(reminder) = case.plan() else { return Err(TestCaseError::fail("no reminder")) };
        prop_assert!(open_everywhere(reminder.at, STATES[state].zones, &case.settings));
        prop_assert!(reminder.at >= reminder.wanted && reminder.at >= case.now.min(reminder.wanted));
        // Not before its time, and not more than a day and the spread after both.
        prop_assert!(reminder.at - reminder.wanted.max(case.now) <= TimeDelta::hours(25) + TimeDelta::minutes(i64::from(spread_minutes)));
        // When the timer fires it is sent, and not put off again.
        case.now = reminder.at;
        if let Plan::SendAt(fired) = case.plan() && fired.identifier == reminder.identifier {
            prop_assert!(fired.is_due(case.now));
            prop_assert!(open_everywhere(case.now, STATES[state].zones, &case.settings));
        }
    }

    #[test]
    fn the_next_allowed_instant_is_allowed_and_the_first(
        day in day(), second in 0i64..86_400,
        zone in prop::sample::select(vec!["Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "Europe/London", "America/Adak", "Africa/Cairo", "Pacific/Kiritimati"]),
    ) {
        let zone: Tz = zone.parse().unwrap();
        let settings = Settings::default();
        let from = day.and_hms_opt(0, 0, 0).unwrap().and_utc() + TimeDelta::seconds(second);
        let found = next_allowed(from, &[zone], &settings).unwrap();
        prop_assert!(is_allowed(found, &[zone], &settings) && found >= from);
        // Nothing allowed lies between.
        let mut probe = from;
        while probe < found {
            prop_assert!(!is_allowed(probe, &[zone], &settings));
            probe += TimeDelta::minutes(15);
        }
        if found > from {
            prop_assert!(!is_allowed(found - TimeDelta::seconds(1), &[zone], &settings));
        }
    }

    #[test]
    fn an_address_gives_all_zones_of_its_states(a in 0usize..56, b in 0usize..56) {
        let patient = json!({ "address": [{ "state": STATES[a].code.to_lowercase() }, { "use": "temp", "state": STATES[b].name }] });
        let found = zones(&patient, NaiveDate::from_ymd_opt(2026, 11, 22).unwrap());
        for zone in STATES[a].zones.iter().chain(STATES[b].zones) {
            prop_assert!(found.all().contains(zone));
        }
    }
}
