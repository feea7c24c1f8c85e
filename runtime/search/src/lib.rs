//! FHIR search criteria judged over resources, without I/O.
