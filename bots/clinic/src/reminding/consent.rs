//! What Consents say about automatic contact.
//!
//! FHIR R4 has no element for "do not contact". An opt-out is a Consent that is `active`, of this patient, in force, with a provision
//! of type `deny` (nested ones count) and a code of [`ids::CONSENT_CODES`] in `provision.code` or `category`: `automated-contact`
//! for every channel, `sms` for text messages. Consent to text messages is the same with `permit` and `sms`. A Consent about something
//! else decides nothing here.

use crate::fhir::{has_coding, list, target_of, text};
use crate::ids;
use crate::when::period_touches;
use chrono::NaiveDate;
use serde_json::Value;

pub(crate) struct Wishes {
    /// No automatic contact at all.
    pub(crate) none: bool,
    /// Text messages are consented to, and not denied.
    pub(crate) sms: bool,
}

pub(crate) fn wishes(consents: &[Value], patient_id: &str, today: NaiveDate) -> Wishes {
    let (mut none, mut sms_denied, mut sms_permitted) = (false, false, false);
    let mine = consents
        .iter()
        .filter(|c| text(c, "status") == Some("active") && target_of(c, "patient") == Some(("Patient", patient_id)));
    for consent in mine {
        let Some(root) = consent.get("provision") else {
            continue;
        };
        let mut waiting = vec![root];
        while let Some(provision) = waiting.pop() {
            waiting.extend(list(provision, "provision"));
            let about = |code| {
                let concepts = list(provision, "code").iter().chain(list(consent, "category"));
                concepts.into_iter().any(|concept| has_coding(concept, ids::CONSENT_CODES, code))
            };
            if !period_touches(provision.get("period"), today, today) {
                continue;
            }
            match text(provision, "type") {
                Some("deny") => {
                    none |= about("automated-contact");
                    sms_denied |= about("sms");
                }
                // Only the root permits: what a nested permission is an exception to is for a person to read.
                Some("permit") if std::ptr::eq(provision, root) => sms_permitted |= about("sms"),
                _ => {}
            }
        }
    }
    Wishes { none, sms: sms_permitted && !sms_denied }
}
