//! Others' score vectors and published forms, scored here.
// The helpers are test code too, which the lint does not see.
#![allow(clippy::unwrap_used)]

use clinic::pro::{Assessment, FlagReason, Instrument, InstrumentId, LISTED, Milli, Rules, Score, TableClaim, evaluate, lint};
use serde_json::{Value, json};
use std::path::PathBuf;

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/clinic").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn resource(name: &str) -> Value {
    serde_json::from_str(&fixture(name)).unwrap()
}

fn only(response: &Value, questionnaire: Option<&Value>, rules: &Rules) -> Assessment {
    let mut all = evaluate(response, questionnaire, rules).unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn value(assessment: &Assessment) -> Option<Milli> {
    match &assessment.score {
        Score::Scored(scored) => Some(scored.value),
        Score::Unscorable(_) => None,
    }
}

/// A form whose linkIds are the keys of the case.
fn case_rules() -> Rules {
    let items = |prefix: &str, n: u8, width: usize| -> serde_json::Map<String, Value> {
        (1..=n).map(|i| (format!("{prefix}{i:0width$}"), json!(i))).collect()
    };
    serde_json::from_value(json!({ "forms": {
        "PHQ-9": { "instrument": "PHQ-9", "items": items("PHQ9_Q", 9, 2) },
        "GAD-7": { "instrument": "GAD-7", "items": items("GAD7_Q", 7, 2) },
        "KOOS-JR": { "instrument": "KOOS-JR", "items": items("koosjr-", 7, 1), "answers": { "extreme": 4 } },
        "NPRS": { "instrument": "NPRS", "items": { "nrs-1": 1 } },
    } }))
    .unwrap()
}

#[test]
fn every_case_of_the_other_suites() {
    let rules = case_rules();
    let mut seen = 0;
    for line in fixture("cases.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let name = case["instrument"].as_str().unwrap();
        let mut answers = case["responses"].as_object().unwrap().clone();
        if let Some(raw) = answers.remove("raw").map(|raw| raw.as_i64().unwrap()) {
            // The suite states a raw sum: spread it over the seven items (a raw sum below 0 becomes an answer below 0).
            let mut left = raw;
            for item in 1..=7 {
                let part = left.min(4);
                left -= part;
                answers.insert(format!("koosjr-{item}"), json!(part));
            }
        }
        let items: Vec<Value> =
            answers.iter().map(|(link_id, n)| json!({ "linkId": link_id, "answer": [{ "valueInteger": n }] })).collect();
        let response = json!({ "resourceType": "QuestionnaireResponse", "id": "r", "status": "completed", "questionnaire": name, "item": items });
        let assessment = only(&response, None, &rules);
        let expected = &case["expected"];
        if expected.get("error").is_some() {
            assert_eq!(value(&assessment), None, "{line}");
        } else {
            let score = expected.as_object().unwrap().values().find(|v| v.is_number()).unwrap();
            assert_eq!(value(&assessment), Milli::from_json(score), "{line}");
            if let Some(band) = expected.as_object().unwrap().values().find_map(Value::as_str) {
                let Score::Scored(scored) = &assessment.score else { unreachable!() };
                // awell calls the lowest GAD-7 band "No anxiety"; the names otherwise begin alike.
                let ours = scored.band.unwrap().name;
                assert!(band.to_lowercase().contains(ours) || (band == "No anxiety" && ours == "minimal"), "{line}: {ours}");
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 11);
}

#[test]
fn the_personal_health_record_examples() {
    for (form, code) in [("phq9", "44261-6"), ("gad7", "70274-6")] {
        let response = resource(&format!("phr/QuestionnaireResponse-{form}.json"));
        let published = resource(&format!("phr/Observation-ScoredAssessment{}Example.json", form.to_uppercase()));
        let component =
            published["component"].as_array().unwrap().iter().find(|c| c["code"]["coding"][0]["code"] == code).unwrap();
        for questionnaire in [None, Some(resource(&format!("phr/Questionnaire-{form}.json")))] {
            let assessment = only(&response, questionnaire.as_ref(), &Rules::default());
            assert_eq!(value(&assessment), Milli::from_json(&component["valueInteger"]));
            assert!(assessment.flags.is_empty());
            let clinic::pro::ScoreWrite::Create(ours) = assessment.observation(&response, None) else { panic!("not created") };
            assert_eq!(ours["code"]["coding"][0]["code"], code);
            assert_eq!(ours["derivedFrom"], published["derivedFrom"]);
            assert_eq!(ours["subject"], published["subject"]);
            assert_eq!(ours["category"], published["category"]);
            assert_eq!(ours["interpretation"][0]["text"], "minimal");
        }
    }
}

#[test]
fn the_us_core_example_states_the_same_total() {
    let response = resource("us-core/QuestionnaireResponse-phq-9-example.json");
    let questionnaire = resource("us-core/Questionnaire-phq-9-example.json");
    for questionnaire in [None, Some(&questionnaire)] {
        let assessment = only(&response, questionnaire, &Rules::default());
        assert_eq!(value(&assessment), Some(Milli(12_000)));
        assert_eq!(assessment.stated_otherwise, None);
        assert!(assessment.flags.is_empty());
    }
    let mut wrong = response.clone();
    wrong["item"][9]["answer"][0]["valueDecimal"] = json!(13);
    let assessment = only(&wrong, None, &Rules::default());
    assert_eq!((value(&assessment), assessment.stated_otherwise), (Some(Milli(12_000)), Some(Milli(13_000))));
}

#[test]
fn the_cms_worked_example_of_koos_jr() {
    // Bundle-MSKReportDataBundleExample: answers with itemWeight, items known by the Questionnaire's codes.
    let codes = ["82325-2", "82326-0", "82327-8", "82328-6", "82329-4", "82330-2", "82331-0"];
    let weights =
        [(2, "LA6751-7"), (2, "LA6751-7"), (1, "LA6752-5"), (3, "LA6750-9"), (2, "LA6751-7"), (2, "LA6751-7"), (3, "LA6750-9")];
    let questions: Vec<Value> = (1..)
        .zip(codes)
        .map(|(i, code)| json!({ "linkId": format!("koosjr-{i}"), "code": [{ "system": "http://loinc.org", "code": code }] }))
        .collect();
    let questionnaire = json!({ "resourceType": "Questionnaire", "item": questions });
    for with_weight in [true, false] {
        let items: Vec<Value> = (1..)
            .zip(weights)
            .map(|(i, (weight, code))| {
                let mut coding = json!({ "system": "http://loinc.org", "code": code });
                if with_weight {
                    coding["extension"] =
                        json!([{ "url": "http://hl7.org/fhir/StructureDefinition/itemWeight", "valueDecimal": weight }]);
                }
                json!({ "linkId": format!("koosjr-{i}"), "answer": [{ "valueCoding": coding }] })
            })
            .collect();
        let response = json!({ "resourceType": "QuestionnaireResponse", "id": "k", "status": "completed", "item": items });
        assert!(evaluate(&response, None, &Rules::default()).unwrap().is_empty());
        let assessment = only(&response, Some(&questionnaire), &Rules::default());
        assert_eq!(value(&assessment), Some(Milli(50_012)));
        let clinic::pro::ScoreWrite::Create(observation) = assessment.observation(&response, None) else { panic!("not created") };
        assert_eq!(observation["valueQuantity"]["value"].to_string(), "50.012");
        assert!(observation["note"][0]["text"].as_str().unwrap().contains("higher is better"));
        assert!(observation.get("interpretation").is_none());
    }
}

#[test]
fn the_shipped_tables_pass_and_equal_their_source() {
    for listed in LISTED {
        assert_eq!(lint(&listed.claim()), vec![]);
    }
    let source = TableClaim::rows_from_json(&resource("koos_jr.json")["table"]).unwrap();
    assert_eq!(LISTED[0].claim().rows, source);
}

#[test]
fn the_known_wrong_tables_are_refused() {
    let bad = resource("known_bad_tables.json");
    let mut refused = 0;
    for entry in bad.as_array().unwrap().iter().filter(|entry| entry.get("table").is_some()) {
        let listed = LISTED.iter().map(|l| l.claim()).find(|c| c.instrument == entry["instrument"]).unwrap();
        let rows = TableClaim::rows_from_json(&entry["table"]).unwrap();
        let claim = TableClaim { rows, sha256: None, ..listed };
        let defects = lint(&claim);
        assert!(defects.contains(&clinic::pro::Defect::NotMonotone(28)), "{defects:?}");
        assert!(
            defects
                .iter()
                .any(|d| matches!(d, clinic::pro::Defect::Disagrees { raw: 15, table: Milli(37_159), example: Milli(50_012) })),
            "{defects:?}"
        );
        refused += 1;
    }
    assert_eq!(refused, 1);
}

#[test]
fn the_typing_error_in_koos_ps_is_refused_and_the_right_table_is_not() {
    let source = resource("koos_ps.json");
    let claim = |rows| TableClaim {
        instrument: "KOOS-PS".to_owned(),
        rows,
        raw_max: 28,
        falling: true,
        range: (Milli(0), Milli(100_000)),
        // The median case of awell's own suite.
        examples: vec![(14, Milli(59_700))],
        source: "awell-score@c37843e".to_owned(),
        sha256: None,
    };
    let mut rows = TableClaim::rows_from_json(&source["table"]).unwrap();
    assert_eq!(lint(&claim(rows.clone())), vec![]);
    rows.insert(11, Milli(67_700));
    assert_eq!(lint(&claim(rows)), vec![clinic::pro::Defect::NotMonotone(11)]);
}

#[test]
fn a_linear_table_a_gap_and_a_touched_row_are_refused() {
    let good = LISTED[0].claim();
    let linear = (0..=28u16).map(|raw| (raw, Milli(100_000 - i64::from(raw) * 100_000 / 28))).collect();
    assert!(!lint(&TableClaim { rows: linear, sha256: None, ..good.clone() }).is_empty());
    let mut gap = good.clone();
    gap.rows.remove(&9);
    assert!(lint(&gap).contains(&clinic::pro::Defect::Gap(9)));
    let mut touched = good;
    touched.rows.insert(5, Milli(73_343));
    assert!(matches!(lint(&touched).as_slice(), [clinic::pro::Defect::Hash(_)]));
}

#[test]
fn an_item_9_that_cannot_be_placed_is_a_flag_only_when_nobody_says_where_it_is() {
    let response = json!({ "resourceType": "QuestionnaireResponse", "id": "r", "status": "in-progress", "questionnaire": "http://loinc.org/q/44249-1",
        "item": [{ "linkId": "q9", "answer": [{ "valueInteger": 2 }] }] });
    assert_eq!(only(&response, None, &Rules::default()).flags[0].reason, FlagReason::NotFound);
    let other = json!({ "resourceType": "QuestionnaireResponse", "id": "r", "status": "in-progress", "questionnaire": "http://loinc.org/q/44249-1",
        "item": [{ "linkId": "/69722-7", "answer": [{ "valueInteger": 2 }] }] });
    assert!(only(&other, None, &Rules::default()).flags.is_empty());
}

#[test]
fn bands_are_contiguous_and_within_range() {
    for id in [InstrumentId::Phq9, InstrumentId::Gad7, InstrumentId::KoosJr, InstrumentId::Nprs] {
        let instrument = Instrument::of(id);
        assert!(instrument.bands.windows(2).all(|w| w[0].to + 1 == w[1].from));
        assert!(instrument.bands.is_empty() || !instrument.provenance.bands.is_empty());
        assert!(!instrument.provenance.source.is_empty() && !instrument.provenance.licence.is_empty());
        assert!(instrument.bands.iter().all(|b| b.from * 1000 >= instrument.range.0.0 && b.to * 1000 <= instrument.range.1.0));
    }
}

#[test]
fn the_instruments_equal_the_collection() {
    use clinic::pro::Direction;
    let collection = resource("instruments.json");
    for entry in collection["instruments"].as_array().unwrap() {
        let instrument = Instrument::of(serde_json::from_value(entry["id"].clone()).unwrap());
        assert_eq!(instrument.items.len() as u64, entry["items"].as_u64().unwrap());
        assert_eq!(entry["scale"], format!("0-{}", instrument.item_max));
        let better = match instrument.direction {
            Direction::LowerIsBetter => "lower=better",
            Direction::HigherIsBetter => "higher=better",
        };
        assert_eq!(entry["direction"], better);
        let bands: Vec<Value> = instrument.bands.iter().map(|b| json!([b.from, b.to, b.name])).collect();
        assert_eq!(entry["bands"].as_array().cloned().unwrap_or_default(), bands, "{}", instrument.name);
        assert_eq!(entry["range"], json!([instrument.range.0.to_json(), instrument.range.1.to_json()]));
        if let Some(loinc) = entry["loinc"].as_object() {
            assert_eq!(loinc["score"], instrument.score.code);
            assert_eq!(loinc["panel"].as_str(), instrument.panel);
        } else {
            // No LOINC code in the collection: none is made up.
            assert_eq!(instrument.score.system, clinic::ids::SCORE_CODES);
        }
    }
}

#[test]
fn the_items_equal_the_published_forms() {
    for (form, id) in [
        ("us-core/Questionnaire-phq-9-example.json", InstrumentId::Phq9),
        ("phr/Questionnaire-phq9.json", InstrumentId::Phq9),
        ("phr/Questionnaire-gad7.json", InstrumentId::Gad7),
    ] {
        let form = resource(form);
        let instrument = Instrument::of(id);
        let codes: Vec<&str> = form["item"].as_array().unwrap().iter().map(|i| i["code"][0]["code"].as_str().unwrap()).collect();
        let ours: Vec<&str> = instrument.items.iter().map(|i| i.link_ids[0]).collect();
        assert_eq!(codes[..ours.len()], ours);
        assert_eq!(form["code"][0]["code"].as_str(), instrument.panel);
        // Where the form states ordinals, they are the values here.
        for option in form["item"].as_array().unwrap().iter().take(ours.len()).flat_map(|i| i["answerOption"].as_array().unwrap())
        {
            if option["valueCoding"]["code"] == "asked-declined" {
                continue;
            }
            let code = option["valueCoding"]["code"].as_str().unwrap();
            let value = instrument.answers.iter().find(|(known, _)| *known == code).unwrap().1;
            if let Some(extensions) = option["extension"].as_array() {
                let ordinal = extensions.iter().find(|e| e["url"] == clinic::ids::ORDINAL_VALUE).unwrap();
                assert_eq!(ordinal["valueDecimal"].as_u64(), Some(u64::from(value)));
            }
        }
    }
}

#[test]
fn item_9_declined_is_a_flag_and_no_score() {
    // The personal health record form offers "Asked But Declined" at item 9.
    let mut response = resource("phr/QuestionnaireResponse-phq9.json");
    let form = resource("phr/Questionnaire-phq9.json");
    response["item"][8]["answer"][0] = form["item"][8]["answerOption"][4].clone();
    for questionnaire in [None, Some(&form)] {
        let assessment = only(&response, questionnaire, &Rules::default());
        assert_eq!(assessment.flags[0].reason, FlagReason::Declined);
        assert_eq!(assessment.score, Score::Unscorable(clinic::pro::Unscorable::Missing(vec![9])));
    }
}
