//! The clinic's rules of routing: which role may do what, with which licence.

use crate::fhir::Coding;
use crate::ids;
use crate::{CrisisRoute, StaffRoute};
use serde::{Deserialize, Serialize};

/// The clinic's configuration of routing. Without rules nobody is eligible for anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// The roles that may be given work.
    pub roles: Vec<RoleRule>,
    /// What Tasks of a code need beyond their `performerType`.
    pub activities: Vec<Activity>,
    /// People who get no work whatever their records say: `Practitioner/id`.
    pub barred: Vec<String>,
    /// Who hears that a Task found nobody.
    pub escalation: StaffRoute,
    /// Where red flags go.
    pub crisis: CrisisRoute,
}

/// A role, and what a person in it must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleRule {
    /// Code of `PractitionerRole.code` and `Task.performerType`.
    pub role: Coding,
    /// Kinds of licence (`Practitioner.qualification.code`), one of which must be valid in the patient's state. Empty: the clinic states that
    /// the role's work needs no licence.
    pub licences: Vec<Coding>,
    /// Lower is taken first: the lowest sufficient role.
    pub rank: u32,
    /// Source of the rule (statute, board or the clinic's policy) and its date, for whoever audits it.
    pub source: String,
}

/// What a kind of Task needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activity {
    /// Code of `Task.code`.
    pub code: Coding,
    /// Roles that may do it; with a `performerType` on the Task, both must allow the role.
    pub roles: Vec<Coding>,
    /// One of these must be among `PractitionerRole.specialty`. Empty: any.
    #[serde(default)]
    pub specialties: Vec<Coding>,
}

impl Rules {
    /// A set to start from, with the performer types of the modelling notes and the licence kinds of HL7 v2 table 0360. Nothing uses it by
    /// itself: a clinic takes it, checks it against its states' law and adds its sources.
    #[must_use]
    pub fn starter() -> Self {
        let source = "starter set of 2026-11; the clinic confirms it against its states' law";
        let role = |code: &str, display: &str, licences: &[(&str, &str)], rank| RoleRule {
            role: Coding::new(ids::SNOMED, code, display),
            licences: licences.iter().map(|(code, display)| Coding::new(ids::V2_0360, code, display)).collect(),
            rank,
            source: source.to_owned(),
        };
        Self {
            roles: vec![
                role("1251542004", "Medical billing", &[], 10),
                role("768820003", "Care coordinator", &[], 10),
                role("224535009", "Registered nurse", &[("RN", "Registered Nurse")], 20),
                role("449161006", "Physician assistant", &[("PA", "Physician Assistant")], 30),
                role("224571005", "Nurse practitioner", &[("NP", "Nurse Practitioner")], 30),
                role("158965000", "Doctor", &[("MD", "Doctor of Medicine"), ("DO", "Doctor of Osteopathy")], 40),
            ],
            ..Self::default()
        }
    }
}
