//! The FHIR REST client: reads, fenced commits, subscriptions and the source check.
