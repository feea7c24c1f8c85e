//! Laws that hold for all criteria and all JSON.

use hob_search::{Criteria, patients_of};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// JSON with the keys and values that FHIR uses, put together in any way.
fn json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just("Patient/1"),
        Just("#p"),
        Just("ready"),
        Just("2020-01"),
        Just("2020-01-01T00:00:00Z"),
        Just("http://x|1"),
        Just("Task"),
        Just("Patient"),
        Just("phone"),
        Just("<"),
        Just(""),
        Just("é"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "resourceType",
        "id",
        "meta",
        "tag",
        "status",
        "code",
        "coding",
        "system",
        "value",
        "for",
        "owner",
        "reference",
        "type",
        "identifier",
        "period",
        "executionPeriod",
        "start",
        "end",
        "authoredOn",
        "valueQuantity",
        "component",
        "name",
        "given",
        "telecom",
        "deceasedBoolean",
        "contained",
        "extension",
        "effectiveTiming",
        "event",
        "repeat",
        "low",
        "high",
        "comparator",
    ]);
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>())),
        ]
    })
}

/// Any JSON, as a resource of a type.
fn resource(type_name: &'static str) -> impl Strategy<Value = Value> {
    json().prop_map(move |value| {
        let mut fields = match value {
            Value::Object(fields) => fields,
            other => Map::from_iter([("code".to_owned(), other)]),
        };
        fields.insert("resourceType".into(), json!(type_name));
        Value::Object(fields)
    })
}

fn matches(criteria: &str, resource: &Value) -> bool {
    let compiled = Criteria::parse(criteria);
    assert!(compiled.is_ok(), "{criteria}");
    compiled.is_ok_and(|compiled| compiled.matches(resource))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn parsing_never_panics(text in "\\PC{0,60}|(Task|Patient|Observation)\\?[a-z_:.-]{0,16}=[\\PC]{0,24}") {
        let _ = Criteria::parse(&text);
    }

    #[test]
    fn values_of_every_kind_never_panic(value in "\\PC{0,24}|[a-z]{0,2}[0-9T:.|$,\\\\-]{0,16}", json in resource("Observation")) {
        for name in ["code", "date", "value-quantity", "subject", "code-value-quantity", "value-string", "_profile", "subject:identifier", "code:not", "identifier:of-type"] {
            let query = format!("{name}={}", value.replace('%', "%25").replace('&', "%26"));
            if let Ok(criteria) = Criteria::parse_query("Observation", &query) {
                criteria.matches(&json);
            }
        }
    }

    #[test]
    fn judging_never_panics(json in prop_oneof![json(), resource("Task"), resource("Observation"), resource("Patient")]) {
        for criteria in [
            "Task?status=ready&owner=1&period=gt2020&code:missing=false", "Task?patient=Patient/1&identifier=x|y",
            "Observation?date=2020&value-quantity=5&component-code-value-quantity=a$5", "Observation?combo-code=x&_tag=y",
            "Patient?name=x&deceased=true&phone=5&address:contains=y&birthdate=ap2020",
        ] {
            matches(criteria, &json);
        }
        patients_of(&json);
    }

    #[test]
    fn not_and_missing_are_negations(task in resource("Task")) {
        for name in ["status", "code", "identifier", "_tag"] {
            prop_assert_ne!(matches(&format!("Task?{name}=ready"), &task), matches(&format!("Task?{name}:not=ready"), &task));
        }
        for name in ["status", "owner", "period", "authored-on", "code", "_profile", "patient"] {
            let missing = matches(&format!("Task?{name}:missing=true"), &task);
            prop_assert_ne!(missing, matches(&format!("Task?{name}:missing=false"), &task));
        }
        if matches("Task?status=ready", &task) {
            prop_assert!(matches("Task?status:missing=false", &task));
        }
    }

    #[test]
    fn commas_are_or_and_repetition_is_and(task in resource("Task")) {
        let (a, b) = (matches("Task?code=ready", &task), matches("Task?code=Task", &task));
        prop_assert_eq!(matches("Task?code=ready,Task", &task), a || b);
        prop_assert_eq!(matches("Task?code=ready&code=Task", &task), a && b);
    }

    #[test]
    fn the_resource_type_must_be_equal(json in json()) {
        let is_task = json.get("resourceType").and_then(Value::as_str) == Some("Task");
        prop_assert_eq!(matches("Task", &json), is_task);
    }
}
