//! The main job, end to end, on a real HAPI server that is kind to clients.

hob_tests::e2e!(hob_tests::hapi::Options::PLAIN);
