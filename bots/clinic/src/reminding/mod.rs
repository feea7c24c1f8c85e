//! When a survey Task is reminded of, and whether at all.
//!
//! **Use.** The bot calls [`plan`] when the Task changes and again when the timer that it set fires, each time with fresh resources. A
//! [`Plan::SendAt`] in the future is a timer; one that [`Reminder::is_due`] is written as [`request`]; the same for [`Plan::Call`] and [`call_task`]. So consent, status, zone and
//! quiet hours are judged at the moment of sending and not when it was planned.
//!
//! **What it never does.** It sends nothing outside the hours that every zone allows in which the recipient may be; nothing to
//! somebody under 18, dead, opted out or unknown in age; nothing without a zone: these become a call for a person to make, or nothing. The
//! text says nothing clinical, not even which survey it is.
//!
//! **Trade-offs.** Only the patient is contacted: a survey that somebody else is to answer for the patient is a call. Caps across pathways and
//! opt-out words of inbound messages are not here.

mod consent;
mod outcome;
mod plan;
mod request;
mod settings;
mod window;

pub use outcome::{Call, CallReason, Nothing, Plan, PlanError, Reminder};
pub use plan::{Input, plan};
pub use request::{call_identifier, call_task, request};
pub use settings::{Channel, Settings, SettingsError};
pub use window::{Zones, is_allowed, next_allowed, zones};
