//! The reminder bot.
