"""Why a bot does not handle an event."""

from datetime import timedelta

from .json_types import Json, Resource


class Failure(Exception):
    """Why the bot did not handle the event; raise :class:`Retry` or :class:`Reject`. The operator sees code and message in `hob show`: no patient data in
    them. `details` go to the run's log.
    """

    kind = "retry"

    def __init__(self, code: str, message: str, *, after: timedelta | None = None, details: Json = None) -> None:
        super().__init__(f"{code}: {message}")
        #: A stable code of the bot's own, such as `no-patient`.
        self.code = code
        #: For the operator.
        self.message = message
        #: The shortest wait before the next attempt.
        self.after = after
        #: More for the operator, in the run's log.
        self.details = details


class Retry(Failure):
    """Try again later, up to the manifest's limit."""

    kind = "retry"


class Reject(Failure):
    """Never try again: the run ends rejected."""

    kind = "reject"


class HostError(Exception):
    """What the host said instead of an answer. Where the bot does not catch it, it becomes a retry if another attempt can cure it, else a reject."""

    def as_failure(self) -> Failure:
        """What the run ends with where nobody catches it."""
        raise NotImplementedError


class FhirError(HostError):
    """What the FHIR server, or the host before it, answered instead of a resource."""

    def __init__(self, code: str, message: str, *, status: int | None = None, outcome: Resource | None = None) -> None:
        super().__init__(f"{code}: {message}")
        #: `not-found`, `gone`, `scope`, `conflict`, `invalid`, `unavailable`, `limit`, `refused`, or a later word.
        self.code = code
        #: What was wrong.
        self.message = message
        #: The HTTP status, where a server answered.
        self.status = status
        #: The server's OperationOutcome.
        self.outcome = outcome

    @property
    def is_absent(self) -> bool:
        """Whether there is no such resource, or none any more."""
        return self.code in ("not-found", "gone")

    def as_failure(self) -> Failure:
        kind = Reject if self.code in ("not-found", "gone", "invalid", "refused", "scope") else Retry
        return kind(f"fhir-{self.code}", self.message, details=self.outcome)


class HttpError(HostError):
    """Why there is no answer from outside."""

    def __init__(self, code: str, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(f"{code}: {message}")
        #: `not-allowed`, `refused`, `too-large`, `later`, `unknown`, or a later word.
        self.code = code
        #: What was wrong.
        self.message = message
        #: How long the receiver asked to be left alone.
        self.retry_after = retry_after

    def as_failure(self) -> Failure:
        kind = Reject if self.code in ("not-allowed", "refused", "too-large") else Retry
        return kind(f"http-{self.code}", self.message, after=self.retry_after)


class Refused(HostError):
    """The host does not take a timer, an outbox item, a secret or an expression: the bot or its manifest is wrong."""

    def __init__(self, what: str, message: str) -> None:
        super().__init__(f"{what}: {message}")
        #: Which part of the host: `timer`, `outbox`, `secret`, `document`, `fhirpath`.
        self.what = what
        #: Why.
        self.message = message

    def as_failure(self) -> Failure:
        return Reject(self.what, self.message)
