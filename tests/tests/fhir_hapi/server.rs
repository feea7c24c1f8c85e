//! Which server a world is on.

use hob_tests::hapi::{self, Options};

/// The base URL of the one HAPI with these options.
pub fn base(options: Options) -> String {
    hapi::shared(options).unwrap().base_url().to_owned()
}
