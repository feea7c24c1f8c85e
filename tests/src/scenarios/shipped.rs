//! The bots that Hob ships, and what they write.
