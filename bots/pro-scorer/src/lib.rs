//! The pro-scorer bot.
