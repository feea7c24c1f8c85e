//! The task-router bot.
