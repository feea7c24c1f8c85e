//! The clinic's settings of reminders.

use crate::StaffRoute;
use serde::{Deserialize, Serialize};

/// How a message reaches the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// Text message to a mobile number; needs a recorded consent.
    Sms,
    /// E-mail.
    Email,
    /// A message in the clinic's own portal or app.
    Portal,
}

/// Settings of reminders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The clinic's neutral name, as the message gives it: no specialty in it.
    pub clinic: String,
    /// Telephone number or address where a person answers.
    pub contact: String,
    /// Where the survey is answered after signing in.
    pub link: String,
    /// First hour of the recipient's day at which a message may be sent. 8 at the earliest (47 CFR 64.1200(c)(1)); default 9.
    pub first_hour: u32,
    /// Hour of the recipient's day from which on none may be sent. 21 at the latest (same rule); default 20.
    pub end_hour: u32,
    /// Minutes before the due time at which to remind; default a day before and when due. A reminder whose time was over before the Task was
    /// written is left out, but for the last.
    pub leads_minutes: Vec<u32>,
    /// What waited for the end of quiet hours is spread over this many minutes after it.
    pub spread_minutes: u32,
    /// A reminder this many minutes late is not sent any more.
    pub late_minutes: u32,
    /// Channels in order of preference.
    pub channels: Vec<Channel>,
    /// Whether a patient without a birth date counts as an adult. Default no: a person calls.
    pub adult_without_birth_date: bool,
    /// Who calls when nothing can be sent automatically.
    pub call: StaffRoute,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clinic: "Your clinic".to_owned(),
            contact: String::new(),
            link: String::new(),
            first_hour: 9,
            end_hour: 20,
            leads_minutes: vec![1440, 0],
            spread_minutes: 60,
            late_minutes: 2880,
            channels: vec![Channel::Sms, Channel::Email, Channel::Portal],
            adult_without_birth_date: false,
            call: StaffRoute::default(),
        }
    }
}

/// Settings that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Outside what the law allows, or empty.
    #[error("first_hour and end_hour must lie within 8 and 21 (47 CFR 64.1200(c)(1)), the first below the second")]
    Hours,
    /// Nothing to remind at.
    #[error("leads_minutes is empty: name at least one lead, 0 for the due time itself")]
    NoLead,
    /// No way to send.
    #[error("channels is empty: name at least one of sms, email, portal")]
    NoChannel,
}

impl Settings {
    /// Checks the settings; [`super::plan`] does so too.
    ///
    /// # Errors
    /// [`SettingsError`] with what to change.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.first_hour < 8 || self.end_hour > 21 || self.first_hour >= self.end_hour {
            return Err(SettingsError::Hours);
        }
        if self.leads_minutes.is_empty() {
            return Err(SettingsError::NoLead);
        }
        if self.channels.is_empty() {
            return Err(SettingsError::NoChannel);
        }
        Ok(())
    }
}
