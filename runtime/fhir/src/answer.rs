//! Reading a transaction's answer, entry by entry. Pure.
