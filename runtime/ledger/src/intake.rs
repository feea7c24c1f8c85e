//! Notifications: as they came, what was thought of them, and the receipt that alone may become a 2xx.

use bytes::Bytes;
use hob_model::{SourceId, SubscriptionKey, TenantId, Timestamp};

use crate::NotificationSeq;

/// Why a notification, authentic as it is, cannot be used. `message` may quote it: to the ledger, never to the host's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadReason {
    /// A stable code that the docs list, such as `body-too-large`.
    pub code: String,
    /// For the operator: what was wrong and where.
    pub message: String,
}

/// What ingress made of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It names changes: resolve has work.
    Usable,
    /// A handshake or a heartbeat: kept, nothing to do.
    Control,
    /// Kept as an ingress dead letter.
    Dead(DeadReason),
}

/// One authenticated HTTP request from a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotification {
    /// The clinic.
    pub tenant: TenantId,
    /// Who sent it.
    pub source: SourceId,
    /// The subscription that the endpoint's path named.
    pub subscription: Option<SubscriptionKey>,
    /// When it came, by the host's clock.
    pub received: Timestamp,
    /// The HTTP method.
    pub method: String,
    /// The rest of the path behind the endpoint (`Task/12` on HAPI), with the query.
    pub path: String,
    /// The headers that parsing needs; none that holds a credential.
    pub headers: Vec<(String, String)>,
    /// The wire format that was recognised.
    pub format: Option<String>,
    /// The body, as it came.
    pub body: Bytes,
    /// How many bytes the body had on the wire; more than `body` holds where it was cut.
    pub size: u64,
    /// What was made of it.
    pub verdict: Verdict,
}

impl NewNotification {
    /// Whether a part of the body is lost: then it cannot be read again.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.size > self.body.len() as u64
    }
}

/// The proof that a notification is on disk. Only a ledger can make one, and only after its fsync.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a receipt is what allows the answer 2xx"]
pub struct Receipt {
    seq: NotificationSeq,
}

impl Receipt {
    /// To be called by a ledger alone, after the commit.
    pub(crate) const fn new(seq: NotificationSeq) -> Self {
        Self { seq }
    }

    /// The notification's place in the order of acceptance.
    #[must_use]
    pub const fn seq(&self) -> NotificationSeq {
        self.seq
    }
}

/// A notification as the ledger holds it, waiting to be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredNotification {
    /// Its place in the order of acceptance.
    pub seq: NotificationSeq,
    /// As it was accepted. Its verdict is [`Verdict::Usable`].
    pub notification: NewNotification,
}

/// An ingress dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadNotification {
    /// Its place in the order of acceptance.
    pub seq: NotificationSeq,
    /// As it was accepted; in lists without its body. Its verdict is [`Verdict::Dead`].
    pub notification: NewNotification,
    /// Whether a part of its body is lost: then it cannot be read again.
    pub cut: bool,
    /// What was wrong.
    pub reason: DeadReason,
}
