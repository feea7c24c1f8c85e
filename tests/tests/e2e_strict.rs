//! The main job, end to end, on a real HAPI server with referential integrity on and client ids off.

hob_tests::e2e!(hob_tests::hapi::Options::STRICT);
