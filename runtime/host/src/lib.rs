//! Wiring: resolve, HTTP servers, the run loop, drain and telemetry.
