//! Write Hob bots in Rust.
//!
//! A bot is one function over an event. What it asks of the world goes through [`Host`], so the same function runs in the sandbox and
//! in a native unit test on [`testing::World`]:
//!
//! ```
//! use hob_sdk::{Error, Event, Host, Outcome};
//! use serde_json::json;
//!
//! fn handle(event: Event, hob: &dyn Host) -> Result<Outcome, Error> {
//!     let task = event.resource()?;
//!     let patient = task["for"]["reference"].as_str().ok_or_else(|| Error::reject("no-patient", "the task has no patient"))?;
//!     hob.fhir().create(&json!({ "resourceType": "Flag", "status": "active", "subject": { "reference": patient } }))?;
//!     Ok(Outcome::Done)
//! }
//!
//! hob_sdk::bot!(handle);
//!
//! # use hob_sdk::testing::{World, change};
//! let world = World::new();
//! let task = json!({ "resourceType": "Task", "id": "1", "for": { "reference": "Patient/a" } });
//! handle(change(task), &world).unwrap();
//! assert_eq!(world.resources("Flag")[0]["subject"]["reference"], "Patient/a");
//! ```
//!
//! Build for `wasm32-wasip2` as a `cdylib`.

mod error;
mod event;
mod host;
mod http;
mod log;
mod secret;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod wasm;

pub use error::{Error, FhirError, Kind, Refused};
pub use event::{Event, Outcome, Payload, Trigger};
pub use host::{Created, Fhir, Host, Message, Outbox, Page, Settings, Timers};
pub use http::{Http, HttpError, Request, Response};
pub use log::{Level, log};
pub use secret::{Algorithm, Secret};

/// Exports a function `fn(Event, &dyn Host) -> Result<Outcome, Error>` as the component's bot. Does nothing in native builds, so that
/// the crate's tests link.
#[macro_export]
macro_rules! bot {
    ($handle:path) => {
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn($crate::Event, &dyn $crate::Host) -> ::core::result::Result<$crate::Outcome, $crate::Error> = $handle;

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Exported;

            impl $crate::wasm::bindings::Guest for Exported {
                fn handle(
                    event: $crate::wasm::bindings::Event,
                ) -> ::core::result::Result<
                    ::core::option::Option<$crate::wasm::bindings::Payload>,
                    $crate::wasm::bindings::Failure,
                > {
                    $crate::wasm::run(event, $handle)
                }
            }

    $crate::wasm::export_bot!(Exported with_types_in $crate::wasm::bindings);
        };
    };
}
