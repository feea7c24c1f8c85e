//! The plan for a Task: send at an instant, let a person call, or nothing.

use super::settings::{Channel, SettingsError};
use super::window::Zones;
use crate::fhir::InputError;
#[cfg(doc)]
use crate::ids;
use chrono::{DateTime, Utc};

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// A reminder, now or later.
    SendAt(Reminder),
    /// A person calls, now or later.
    Call(Call),
    /// Nothing, and why.
    Nothing(Nothing),
}

/// A reminder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reminder {
    /// When it may be sent.
    pub at: DateTime<Utc>,
    /// When it was meant to be, before quiet hours.
    pub wanted: DateTime<Utc>,
    /// Minutes before the due time.
    pub lead_minutes: u32,
    /// Identifier value, of system [`ids::REMINDER_IDENTIFIER`]: one for each Task, lead and due day.
    pub identifier: String,
    /// The zones whose hours were kept.
    pub zones: Zones,
    /// How it is sent.
    pub channel: Channel,
    /// Why then, for people.
    pub why: String,
}

impl Reminder {
    /// Whether it is to be sent now.
    #[must_use]
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.at <= now
    }
}

/// A call that a person makes, in place of a reminder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// When to open the call Task: when the reminder was wanted, or now.
    pub at: DateTime<Utc>,
    /// Why no message is sent.
    pub reason: CallReason,
}

impl Call {
    /// Whether the call Task is to be opened now.
    #[must_use]
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.at <= now
    }
}

/// Why a person calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallReason {
    /// Nobody knows the patient's time zone.
    ZoneUnknown,
    /// The zones in which the patient may be share no hour.
    NoCommonHour,
    /// The patient's age is not known.
    AgeUnknown,
    /// Somebody answers for the patient, whose zone and consent are not known here.
    SomebodyElse,
    /// No channel is both there and consented to.
    NoChannel,
}

impl CallReason {
    /// In words, for the call Task.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::ZoneUnknown => "the patient's time zone is not known",
            Self::NoCommonHour => "no hour suits every time zone in which the patient may be",
            Self::AgeUnknown => "the patient's age is not known",
            Self::SomebodyElse => "somebody answers for the patient",
            Self::NoChannel => "no channel is both available and consented to",
        }
    }
}

/// Why nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nothing {
    /// Not a survey: the code is not SDC's `complete-questionnaire`.
    NotASurvey,
    /// Completed.
    Done,
    /// Cancelled, rejected, failed or entered in error.
    Cancelled,
    /// Draft, on hold, or of a status that cannot be read.
    Held,
    /// A practitioner or an organisation owns it: not for the patient to do.
    OwnedByStaff,
    /// The Task is not for this Patient.
    OtherPatient,
    /// The patient has died.
    Deceased,
    /// The record is inactive or replaced by another.
    RecordNotInUse,
    /// Under 18.
    Minor,
    /// The patient does not want automatic contact.
    OptedOut,
    /// No due time, or one that cannot be read.
    NoDue,
    /// Every reminder is sent, or too late to send.
    NoneLeft,
}

/// Why no plan could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The resources.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}
