//! Microsoft's open-source FHIR server: the backport guide's Parameters, in a Bundle of type `transaction`.
//!
//! Checked against microsoft/fhir-server, `src/Microsoft.Health.Fhir.Subscriptions/Channels/RestHookChannel.cs`: the body is
//! `text/plain`, `subscription` is a valueReference with the bare id, `status` is capitalised, an event is `focus` as valueUri
//! and `timestamp` as valueDateTime, without number; with content `empty` there is no event at all.

pub(super) fn claims(bundle_type: &str) -> bool {
    matches!(bundle_type, "transaction" | "batch")
}
