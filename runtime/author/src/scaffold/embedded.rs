//! What `build.rs` put into the library: `TEMPLATES` and `SDK`, paths and bytes.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
