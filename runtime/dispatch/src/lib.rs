//! The sans-I/O core that decides what runs when.
