//! What holds for every response.
// The helpers are test code too, which the lint does not see.
#![allow(clippy::unwrap_used)]

use chrono::{DateTime, Utc};
use clinic::pro::{INSTRUMENTS, Instrument, InstrumentId, Milli, Rules, Score, ScoreWrite, Unscorable, evaluate};
use proptest::prelude::*;
use serde_json::{Value, json};

const STATUSES: [&str; 5] = ["in-progress", "completed", "amended", "stopped", "entered-in-error"];

fn now() -> DateTime<Utc> {
    "2026-11-22T05:00:00Z".parse().unwrap()
}

/// A readable answer of this value, in one of the ways that forms write it.
fn answer(instrument: &Instrument, value: u8, style: u8) -> Value {
    let coded = instrument.answers.iter().find(|(_, v)| *v == value).map(|(code, _)| *code);
    match (style % 4, coded) {
        (0, _) => json!({ "valueInteger": value }),
        (1, _) => json!({ "valueDecimal": f64::from(value) }),
        (2, Some(code)) => json!({ "valueCoding": { "system": "http://loinc.org", "code": code } }),
        _ => json!({ "valueCoding": { "code": format!("a{value}"), "extension": [
            { "url": "http://hl7.org/fhir/StructureDefinition/ordinalValue", "valueDecimal": value }] } }),
    }
}

fn unreadable() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({})),
        Just(json!("text")),
        Just(Value::Null),
        Just(json!({ "valueString": "often" })),
        Just(json!({ "valueBoolean": false })),
        Just(json!({ "valueInteger": -1 })),
        Just(json!({ "valueInteger": 99 })),
        Just(json!({ "valueInteger": "0" })),
        Just(json!({ "valueDecimal": 0.5 })),
        Just(json!({ "valueInteger": 0, "valueString": "0" })),
        Just(json!({ "valueCoding": { "system": "http://loinc.org", "code": "LA9999-9" } })),
        Just(json!({ "valueCoding": { "system": "http://example.org", "code": "LA6568-5" } })),
        Just(json!({ "valueCoding": { "display": "Not at all" } })),
        Just(json!({ "valueCoding": { "system": "http://loinc.org", "code": "LA6568-5", "extension": [
            { "url": "http://hl7.org/fhir/StructureDefinition/itemWeight", "valueDecimal": 3 }] } })),
    ]
}

fn response(status: &str, items: &[(&str, Value)], nested: bool) -> Value {
    let items: Vec<Value> = items.iter().map(|(link_id, answers)| json!({ "linkId": link_id, "answer": answers })).collect();
    let items =
        if nested { json!([{ "linkId": "group", "item": [{ "linkId": "inner", "item": items }] }]) } else { json!(items) };
    json!({ "resourceType": "QuestionnaireResponse", "id": "r1", "status": status, "subject": { "reference": "Patient/p1" }, "item": items })
}

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("item"),
        Just("answer"),
        Just("linkId"),
        Just("valueCoding"),
        Just("valueInteger"),
        Just("extension"),
        Just("status"),
        Just("code")
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        prop_oneof![Just("44260-8"), Just("/44260-8"), Just("44250-9"), Just("completed"), Just("é")].prop_map(|s| json!(s)),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec((key.clone(), inner), 0..5)
                .prop_map(|fields| { Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()) }),
        ]
    })
}

proptest! {
    #[test]
    fn a_full_response_scores_within_range_and_by_its_sum(which in 0usize..4, values in prop::collection::vec(0u8..=10, 9), style: u8, nested: bool) {
        let instrument = INSTRUMENTS[which];
        let values: Vec<u8> = values.iter().take(instrument.items.len()).map(|v| v % (instrument.item_max + 1)).collect();
        let items: Vec<(&str, Value)> = instrument.items.iter().zip(&values)
            .map(|(item, value)| (item.link_ids[0], json!([answer(instrument, *value, style)]))).collect();
        let response = response("completed", &items, nested);
        let all = evaluate(&response, None, &Rules::default()).unwrap();
        prop_assert_eq!(all.len(), 1);
        let Score::Scored(scored) = &all[0].score else { return Err(TestCaseError::fail("not scored")) };
        prop_assert_eq!(scored.raw, values.iter().map(|v| u16::from(*v)).sum::<u16>());
        prop_assert!(scored.value >= instrument.range.0 && scored.value <= instrument.range.1);
        if instrument.id != InstrumentId::KoosJr {
            prop_assert_eq!(scored.value, Milli(i64::from(scored.raw) * 1000));
        }
    }

    #[test]
    fn any_missing_item_leaves_no_score(which in 0usize..4, gone in 0usize..9, empty: bool) {
        let instrument = INSTRUMENTS[which];
        let gone = gone % instrument.items.len();
        let mut items: Vec<(&str, Value)> = instrument.items.iter().map(|item| (item.link_ids[0], json!([answer(instrument, 1, 0)]))).collect();
        // Absent, or there without an answer. A one-item form of which nothing is left is not recognised at all.
        if empty || items.len() == 1 { items[gone].1 = json!([]); } else { items.remove(gone); }
        let all = evaluate(&response("completed", &items, false), None, &Rules::default()).unwrap();
        let number = u8::try_from(gone).unwrap() + 1;
        prop_assert_eq!(&all[0].score, &Score::Unscorable(Unscorable::Missing(vec![number])));
    }

    #[test]
    fn any_unreadable_item_leaves_no_score(which in 0usize..4, bad in 0usize..9, garbage in unreadable()) {
        let instrument = INSTRUMENTS[which];
        let mut items: Vec<(&str, Value)> = instrument.items.iter().map(|item| (item.link_ids[0], json!([answer(instrument, 1, 0)]))).collect();
        let bad = bad % items.len();
        // 0.5, 99 and the rest are off every scale; a contradiction needs LOINC answers to contradict.
        prop_assume!(!(instrument.answers.is_empty() && garbage["valueCoding"]["extension"].is_array()));
        prop_assume!(!(instrument.id == InstrumentId::KoosJr && garbage["valueCoding"]["extension"].is_array()));
        items[bad].1 = json!([garbage]);
        let all = evaluate(&response("completed", &items, false), None, &Rules::default()).unwrap();
        prop_assert!(matches!(all[0].score, Score::Unscorable(Unscorable::Unreadable(_))));
    }

    #[test]
    fn a_red_flag_iff_item_9_is_positive_or_unreadable(
        nine in prop_oneof![
            (0u8..=3, any::<u8>()).prop_map(|(v, style)| (Some(v), answer(Instrument::of(InstrumentId::Phq9), v, style))),
            unreadable().prop_map(|garbage| (None, garbage)),
        ],
        others in prop::collection::vec(prop::option::of(prop_oneof![unreadable(), (0u8..=3).prop_map(|v| json!({ "valueInteger": v }))]), 8),
        status in 0usize..5,
        nested: bool,
        slash: bool,
    ) {
        let instrument = Instrument::of(InstrumentId::Phq9);
        let mut items: Vec<(&str, Value)> = instrument.items.iter().zip(&others)
            .filter_map(|(item, other)| other.clone().map(|other| (item.link_ids[0], json!([other])))).collect();
        items.push((if slash { "/44249-1/44260-8" } else { "44260-8" }, json!([nine.1])));
        let response = response(STATUSES[status], &items, nested);
        let all = evaluate(&response, None, &Rules::default()).unwrap();
        let expected = STATUSES[status] != "entered-in-error" && nine.0 != Some(0);
        prop_assert_eq!(!all[0].flags.is_empty(), expected);
        let tasks = all[0].red_flag_tasks(&response, &Rules::default(), now());
        prop_assert_eq!(tasks.len(), usize::from(expected));
        for task in tasks {
            prop_assert!(clinic::is_red_flag(&task));
            prop_assert_eq!(&task["identifier"][0]["value"], "r1:phq-9-item-9");
            prop_assert_eq!(&task["priority"], "stat");
            prop_assert_eq!(&task["focus"]["reference"], "QuestionnaireResponse/r1");
            prop_assert_eq!(&task["for"]["reference"], "Patient/p1");
            prop_assert!(!task.to_string().contains("often"));
        }
    }

    #[test]
    fn nothing_panics(garbage in arbitrary_json(), status in 0usize..5) {
        let response = json!({ "resourceType": "QuestionnaireResponse", "id": "r1", "status": STATUSES[status], "questionnaire": garbage,
            "item": garbage, "subject": garbage, "authored": garbage });
        for assessment in evaluate(&response, Some(&garbage), &Rules::default()).unwrap() {
            let _ = assessment.observation(&response, Some(&garbage));
            let _ = assessment.observation(&response, None);
            let _ = assessment.red_flag_tasks(&response, &Rules::default(), now());
        }
    }
}

fn phq9(values: [u8; 9], status: &str) -> Value {
    let instrument = Instrument::of(InstrumentId::Phq9);
    let items: Vec<(&str, Value)> =
        instrument.items.iter().zip(values).map(|(i, v)| (i.link_ids[0], json!([{ "valueInteger": v }]))).collect();
    response(status, &items, false)
}

fn write(response: &Value, existing: Option<&Value>) -> ScoreWrite {
    evaluate(response, None, &Rules::default()).unwrap()[0].observation(response, existing)
}

#[test]
fn an_amendment_updates_in_place_and_a_rerun_writes_nothing() {
    let first = phq9([1; 9], "completed");
    let ScoreWrite::Create(mut observation) = write(&first, None) else { panic!("not created") };
    assert_eq!(observation["status"], "final");
    observation["id"] = json!("o1");
    observation["note"].as_array_mut().unwrap().insert(0, json!({ "authorString": "Dr A", "text": "seen" }));
    // Notes of others go first: order settles after one write at most, then nothing is written.
    let settled = match write(&first, Some(&observation)) {
        ScoreWrite::Update(settled) => settled,
        _ => observation.clone(),
    };
    assert_eq!(write(&first, Some(&settled)), ScoreWrite::Nothing);

    let ScoreWrite::Update(amended) = write(&phq9([2; 9], "amended"), Some(&settled)) else { panic!("not updated") };
    assert_eq!(
        (&amended["status"], &amended["id"], &amended["valueQuantity"]["value"]),
        (&json!("amended"), &json!("o1"), &json!(18))
    );
    assert_eq!(amended["identifier"], settled["identifier"]);
    assert!(amended["note"].as_array().unwrap().iter().any(|n| n["text"] == "seen"));

    let ScoreWrite::Update(corrected) = write(&phq9([0; 9], "completed"), Some(&settled)) else { panic!("not updated") };
    assert_eq!(corrected["status"], "corrected");

    for gone in [phq9([1; 9], "entered-in-error"), phq9([1; 9], "in-progress"), phq9([1, 1, 1, 1, 1, 1, 1, 1, 9], "completed")] {
        let ScoreWrite::Update(withdrawn) = write(&gone, Some(&settled)) else { panic!("not updated") };
        assert_eq!(withdrawn["status"], "entered-in-error");
        assert_eq!(write(&gone, Some(&withdrawn)), ScoreWrite::Nothing);
        assert_eq!(write(&gone, None), ScoreWrite::Nothing);
        let ScoreWrite::Update(again) = write(&first, Some(&withdrawn)) else { panic!("not updated") };
        assert_eq!(again["status"], "corrected");
    }
}

#[test]
fn the_assessment_follows_the_flag_and_is_routed() {
    let rules: Rules = serde_json::from_value(json!({ "crisis": {
        "owner": "CareTeam/on-call", "acknowledge_within_minutes": 15,
        "assessment": { "performer_types": [{ "system": "http://snomed.info/sct", "code": "158965000" }], "within_minutes": 60 } } }))
    .unwrap();
    let response = phq9([0, 0, 0, 0, 0, 0, 0, 0, 1], "stopped");
    let tasks = evaluate(&response, None, &rules).unwrap()[0].red_flag_tasks(&response, &rules, now());
    assert_eq!(tasks.len(), 2);
    assert_eq!(tasks[0]["owner"]["reference"], "CareTeam/on-call");
    assert_eq!(tasks[0]["restriction"]["period"]["end"], "2026-11-22T05:15:00Z");
    assert!(clinic::is_red_flag(&tasks[0]) && !clinic::is_red_flag(&tasks[1]));
    assert_ne!(tasks[0]["identifier"], tasks[1]["identifier"]);
    assert!(tasks[1].get("owner").is_none());
}
