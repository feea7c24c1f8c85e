//! Whose patient compartment a resource is in, by R4's CompartmentDefinition/patient.
//!
//! Two types are added that R4 leaves out though they name a patient: Task (by `patient` and `focus`, as later versions of FHIR
//! have it) and Device (by `patient`, as servers have it).

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use serde_json::Value;

use crate::definitions;
use crate::element::string;
use crate::path::{Scope, Source};
use crate::reference::{ServerBases, Target};

/// The compiled compartment parameters of each type, compiled when a resource of that type first comes.
static SOURCES: LazyLock<BTreeMap<&'static str, OnceLock<Vec<Source>>>> =
    LazyLock::new(|| definitions::resource_types().map(|name| (name, OnceLock::new())).collect());

/// The ids of the Patients in whose compartment a resource is: for a Patient first its own, then in the order of the
/// definition's parameters, each once. Only relative references count; see [`patients_of_within`].
pub fn patients_of(resource: &Value) -> Vec<String> {
    patients_of_within(resource, &ServerBases::default())
}

/// As [`patients_of`], and absolute references count where they begin with one of the server's own base URLs.
pub fn patients_of_within(resource: &Value, bases: &ServerBases) -> Vec<String> {
    let mut patients = Vec::new();
    let Some(type_name) = string(resource, "resourceType") else {
        return patients;
    };
    let Some(sources) = SOURCES.get(type_name) else {
        return patients;
    };
    if type_name == "Patient" {
        patients.extend(string(resource, "id").map(str::to_owned));
    }
    let scope = Scope { resource, bases };
    for source in sources.get_or_init(|| compile(type_name)) {
        // Visits all: no element is "found".
        source.any(resource, scope, &mut |element, _| {
            if let Some(text) = string(element, "reference")
                && let Target::Local(to) = Target::read(text, bases)
                && to.type_name == "Patient"
                && !patients.iter().any(|id| id == to.id)
            {
                patients.push(to.id.to_owned());
            }
            false
        });
    }
    patients
}

/// The search that finds resources of a type in a Patient's compartment, without the `?`: by the parameter `patient` where the type has it, else by the
/// first of the definition. `None` for types that are in no Patient's compartment.
///
/// One search cannot find all of a compartment where several parameters lead into it, since those of a search are joined by and.
pub fn compartment_search(resource_type: &str, patient: &str) -> Option<String> {
    if resource_type == "Patient" {
        return Some(format!("_id={patient}"));
    }
    let codes = definitions::patient_compartment(resource_type);
    let by_patient = definitions::parameter(resource_type, "patient").map(|_| "patient").filter(|_| !codes.is_empty());
    by_patient.or_else(|| codes.first().copied()).map(|code| format!("{code}=Patient/{patient}"))
}

fn compile(type_name: &str) -> Vec<Source> {
    definitions::patient_compartment(type_name)
        .iter()
        .filter_map(|code| definitions::parameter(type_name, code)?.expression.as_deref())
        .filter_map(|expression| Source::compile(expression, type_name).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_compartment_parameter_compiles() {
        for name in definitions::resource_types() {
            assert_eq!(compile(name).len(), definitions::patient_compartment(name).len(), "{name}");
        }
    }

    #[test]
    fn patients_are_found_once_in_order() {
        let of = |resource: Value| patients_of(&resource);
        assert_eq!(of(json!({"resourceType": "Patient", "id": "a"})), ["a"]);
        assert_eq!(
            of(json!({"resourceType": "Observation", "subject": {"reference": "Patient/a"},
                "performer": [{"reference": "Practitioner/x"}, {"reference": "Patient/a/_history/2"}, {"reference": "Patient/b"}]})),
            ["a", "b"]
        );
        assert_eq!(
            of(
                json!({"resourceType": "Appointment", "participant": [{"actor": {"reference": "Patient/a"}}, {"actor": {"reference": "Location/l"}}]})
            ),
            ["a"]
        );
        assert!(of(json!({"resourceType": "Observation", "subject": {"reference": "Group/a"}})).is_empty());
        assert!(of(json!({"resourceType": "Medication", "id": "m"})).is_empty());
        assert!(of(json!({"resourceType": "Nonsense"})).is_empty());
        assert!(of(json!([1])).is_empty());
    }

    #[test]
    fn a_compartments_search_finds_only_what_is_in_it() {
        for (kind, search) in [
            ("Patient", Some("_id=a")),
            ("Observation", Some("patient=Patient/a")),
            ("Appointment", Some("patient=Patient/a")),
            ("Group", Some("member=Patient/a")),
            ("Practitioner", None),
        ] {
            assert_eq!(compartment_search(kind, "a").as_deref(), search, "{kind}");
        }
        for kind in definitions::resource_types() {
            if let Some(search) = compartment_search(kind, "a") {
                assert!(crate::Criteria::parse_query(kind, &search).is_ok(), "{kind}?{search}");
            }
        }
    }

    #[test]
    fn absolute_references_count_on_the_own_server_only() {
        let resource = json!({"resourceType": "Coverage", "beneficiary": {"reference": "https://here.org/fhir/Patient/a"}});
        assert!(patients_of(&resource).is_empty());
        assert_eq!(patients_of_within(&resource, &ServerBases::new(["https://here.org/fhir/"])), ["a"]);
        assert!(patients_of_within(&resource, &ServerBases::new(["https://here.org/f"])).is_empty());
    }
}
