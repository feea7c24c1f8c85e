//! The clinical rules of the shipped bots, pure and natively tested.
