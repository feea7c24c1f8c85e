//! Who does the work: a Task that is ready and has no owner, to a person who may do it where the patient is.
//!
//! **Hard filters first, and never relaxed.** The role covers the Task; person and role are active and not barred; a licence of the
//! kind that the role needs is valid in the patient's state on every day of the work; specialty; not away. What the data does not
//! show does not exist: a role without a rule, a licence without a state, a patient without a state have nobody eligible.
//!
//! **No compacts.** A licence counts in the states that it names and nowhere else. Membership in NLC, PT Compact or PSYPACT is not
//! used: the lists at hand rest on secondary sources that contradict each other and must be checked against the commissions' own text; and
//! membership alone gives nobody the right (NLC needs a multistate licence of the home state, PT Compact a bought privilege, PSYPACT an
//! authority to practise; IMLC is no multistate practice at all). A clinic that holds such rights records them as qualifications
//! with the state in `whereValid`.
//!
//! **Then order**: the lowest sufficient role, the lightest load, a stable hash; so equals share the work and a replay decides the same.
//!
//! Red flags are not routed here at all: see [`Decision::Crisis`].

mod decide;
mod decision;
mod licence;
mod rules;
mod write;

pub use decide::{Candidates, Input, decide};
pub use decision::{Assignment, Decision, Ineligible, NobodyWhy, NotRouted};
pub use rules::{Activity, RoleRule, Rules};
pub use write::{Writes, escalation_identifier, writes};
