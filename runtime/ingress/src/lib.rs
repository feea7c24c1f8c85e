//! Notifications of every known FHIR server, parsed into one form and authenticated.
