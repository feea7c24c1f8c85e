//! Two clinics on one host: nothing that a bot of one can name is the other's.

use crate::case::Case;

pub(crate) fn cases() -> Vec<Case> {
    Vec::new()
}
