//! Identifier systems, code systems and extensions: the project's own, and the published ones that the rules read.
//!
//! A project code is used only where the data at hand names no published one.

/// Identifier of a score Observation: `{response id}:{score code}`.
pub const SCORE_IDENTIFIER: &str = "https://hob.dev/fhir/identifier/score";
/// Identifier of a red-flag Task: `{response id}:{rule}` and, of the assessment that follows it, `{response id}:{rule}:assessment`.
pub const RED_FLAG_IDENTIFIER: &str = "https://hob.dev/fhir/identifier/red-flag";
/// Identifier of an escalation Task: the id of the Task that found nobody.
pub const ESCALATION_IDENTIFIER: &str = "https://hob.dev/fhir/identifier/escalation";
/// Identifier of a reminder: `{task id}:{lead in minutes}:{day it is due}`.
pub const REMINDER_IDENTIFIER: &str = "https://hob.dev/fhir/identifier/reminder";
/// Identifier of a call Task: `{task id}:call`.
pub const CALL_IDENTIFIER: &str = "https://hob.dev/fhir/identifier/call";

/// Score codes for instruments without a LOINC score code in the data (`nprs`).
pub const SCORE_CODES: &str = "https://hob.dev/fhir/CodeSystem/score";
/// Task codes: `red-flag`, `assess-red-flag`, `escalation`, `call-patient`.
pub const TASK_CODES: &str = "https://hob.dev/fhir/CodeSystem/task";
/// Business statuses of a Task: `assigned`, `nobody-eligible`, `crisis-route`.
pub const BUSINESS_STATUS_CODES: &str = "https://hob.dev/fhir/CodeSystem/task-business-status";
/// Routes as performer types: `crisis`, `operations`.
pub const ROUTE_CODES: &str = "https://hob.dev/fhir/CodeSystem/route";
/// What a Consent permits or denies: `automated-contact`, `sms`.
pub const CONSENT_CODES: &str = "https://hob.dev/fhir/CodeSystem/consent";
/// Media that v3-ParticipationMode does not name: `sms`.
pub const MEDIUM_CODES: &str = "https://hob.dev/fhir/CodeSystem/medium";
/// Extension of a Task or an Encounter: the state in which the patient is, confirmed for this work. `valueCode` or
/// `valueCodeableConcept` of [`USPS`].
pub const CONFIRMED_STATE: &str = "https://hob.dev/fhir/StructureDefinition/confirmed-patient-state";

/// LOINC.
pub const LOINC: &str = "http://loinc.org";
/// SNOMED CT.
pub const SNOMED: &str = "http://snomed.info/sct";
/// Units of measure.
pub const UCUM: &str = "http://unitsofmeasure.org";
/// HL7 v2 table 0360: degree, licence, certificate.
pub const V2_0360: &str = "http://terminology.hl7.org/CodeSystem/v2-0360";
/// US states as USPS abbreviations, as US Core and Plan-Net name the system.
pub const USPS: &str = "https://www.usps.com/";
/// Plan-Net: status and state of a qualification.
pub const PLAN_NET_QUALIFICATION: &str =
    "http://hl7.org/fhir/us/davinci-pdex-plan-net/StructureDefinition/practitioner-qualification";
/// Time zone of a person or an address (`valueCode`, IANA name).
pub const TIMEZONE: &str = "http://hl7.org/fhir/StructureDefinition/timezone";
/// SDC's temporary code system, which has `complete-questionnaire`.
pub const SDC_TASK_CODES: &str = "http://hl7.org/fhir/uv/sdc/CodeSystem/temp";
/// Weight of a coded answer, FHIR R4.
pub const ORDINAL_VALUE: &str = "http://hl7.org/fhir/StructureDefinition/ordinalValue";
/// Weight of a coded answer, FHIR R5 and SDC.
pub const ITEM_WEIGHT: &str = "http://hl7.org/fhir/StructureDefinition/itemWeight";
