//! The decision: who gets a Task, or why nobody does.

use crate::place::Whereabouts;
use std::collections::BTreeMap;

/// What happens to a Task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It gets an owner.
    Assign(Assignment),
    /// Nobody may do it: it stays ready and unowned, says why, and is escalated.
    Nobody(NobodyWhy),
    /// A red flag: it goes up the crisis route, whatever licences, states and duty hours say.
    Crisis,
    /// It is left alone.
    NotRouted(NotRouted),
}

/// Who gets it, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Id of the Practitioner.
    pub practitioner: String,
    /// Code of the role in which the person may do it.
    pub role: String,
    /// Code of the licence kind that counted; none if the role needs none.
    pub licence: Option<String>,
    /// The patient's state; none if it did not matter.
    pub state: Option<&'static str>,
    /// Ids of all Practitioners who were eligible, in order: those whose load matters.
    pub eligible: Vec<String>,
}

/// Why nobody may do a Task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NobodyWhy {
    /// No rule of the clinic says who may do it.
    NoRule,
    /// It names no patient, or the Patient could not be read.
    NoPatient,
    /// `restriction.period` has a start or an end that cannot be read.
    Window,
    /// The patient's state is not known, or there is more than one, or it is abroad; the role needs a licence.
    Place(Whereabouts),
    /// Every candidate failed a filter: how many at which. Empty: there were no candidates.
    Candidates(BTreeMap<Ineligible, u32>),
}

/// The filter at which a candidate failed: the last one reached, in the order of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ineligible {
    /// The role does not cover the Task.
    Role,
    /// The specialty is not among those needed.
    Specialty,
    /// The PractitionerRole names no Practitioner that was passed in.
    NoPractitioner,
    /// Practitioner or PractitionerRole is inactive, or the role's period does not cover the work.
    Inactive,
    /// Barred by the clinic.
    Barred,
    /// Away on the day.
    Away,
    /// No licence of the needed kind.
    NoLicence,
    /// A licence of the kind, but not for the patient's state.
    NotInState,
    /// A licence for the state whose status is not active.
    LicenceNotActive,
    /// A licence for the state that does not cover every day of the work.
    LicenceNotOverWindow,
    /// A licence of the kind in that state is revoked, suspended or restricted.
    Restricted,
}

impl Ineligible {
    /// In words, for the Task.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Role => "role does not cover it",
            Self::Specialty => "specialty does not cover it",
            Self::NoPractitioner => "role without a readable practitioner",
            Self::Inactive => "not active over the time of the work",
            Self::Barred => "barred by the clinic",
            Self::Away => "away",
            Self::NoLicence => "no licence of the kind",
            Self::NotInState => "not licensed in the patient's state",
            Self::LicenceNotActive => "licence not active",
            Self::LicenceNotOverWindow => "licence does not cover the time of the work",
            Self::Restricted => "licence revoked or restricted",
        }
    }
}

/// Why a Task is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRouted {
    /// It has an owner.
    Owned,
    /// Its status is not `ready`.
    NotReady,
    /// It is an escalation or a call: routing one would escalate escalations.
    ForOperations,
    /// It is for the patient to do (a questionnaire to complete, and no performer type).
    ForPatient,
}
