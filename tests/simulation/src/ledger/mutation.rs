//! Mistakes that the model can be told to make, so that the simulation can prove that it would see them.

use std::fmt;

/// One mistake. Each changes one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutation {
    /// What `accept` took is on disk only after the next other write: a crash before it loses what was answered.
    AckBeforeFsync,
    /// Marks are not kept, and a run that has ended is opened again by its own event.
    NoDedupe,
    /// A new release of a bot makes the ledger forget the bot's ended runs and its source's marks.
    ForgetOnRedeploy,
    /// Heads come with a lane of their own and without a resource.
    LanesOff,
    /// A timer that has fired stays and fires once more, as another event.
    TimerTwice,
    /// `record` sets the timers, where `finish` should.
    TimerBeforeCommit,
    /// `record` stages the outbox, where `finish` should.
    OutboxBeforeCommit,
    /// What a run asked outside is not remembered: each attempt asks again.
    AskEachTime,
    /// A host that lost its lease can still write.
    EpochIgnored,
    /// What was recorded is run afresh by the next host, which never looks whether it is on the server.
    ResumeAfresh,
}

impl Mutation {
    /// Every mistake, in the order of the enum.
    pub const ALL: [Self; 10] = [
        Self::AckBeforeFsync,
        Self::NoDedupe,
        Self::ForgetOnRedeploy,
        Self::LanesOff,
        Self::TimerTwice,
        Self::TimerBeforeCommit,
        Self::OutboxBeforeCommit,
        Self::AskEachTime,
        Self::EpochIgnored,
        Self::ResumeAfresh,
    ];

    /// The word for it on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AckBeforeFsync => "ack-before-fsync",
            Self::NoDedupe => "no-dedupe",
            Self::ForgetOnRedeploy => "forget-on-redeploy",
            Self::LanesOff => "lanes-off",
            Self::TimerTwice => "timer-twice",
            Self::TimerBeforeCommit => "timer-before-commit",
            Self::OutboxBeforeCommit => "outbox-before-commit",
            Self::AskEachTime => "ask-each-time",
            Self::EpochIgnored => "epoch-ignored",
            Self::ResumeAfresh => "resume-afresh",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The mistakes that a model makes; none by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mutations(u16);

impl Mutations {
    /// Whether `mutation` is among them.
    #[must_use]
    pub const fn has(self, mutation: Mutation) -> bool {
        self.0 & mutation.bit() != 0
    }
}

impl FromIterator<Mutation> for Mutations {
    fn from_iter<I: IntoIterator<Item = Mutation>>(of: I) -> Self {
        Self(of.into_iter().fold(0, |bits, mutation| bits | mutation.bit()))
    }
}
