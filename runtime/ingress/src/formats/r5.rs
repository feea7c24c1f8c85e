//! R5: R4B's SubscriptionStatus in a Bundle of a type of its own.
//!
//! Checked against <https://hl7.org/fhir/R5/subscriptionstatus.html> and its examples, which print integer64 as a string on
//! hl7.org and as a number in the published packages.

pub(super) fn claims(bundle_type: &str) -> bool {
    bundle_type == "subscription-notification"
}
