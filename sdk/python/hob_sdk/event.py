"""What a bot is given and what it answers."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from .errors import Reject
from .json_types import Json, Resource
from .triggers import Change, Trigger

if TYPE_CHECKING:
    from .host import Document


@dataclass(frozen=True, slots=True)
class Payload:
    """Bytes and what they are."""

    content_type: str
    body: bytes

    @classmethod
    def json(cls, value: Json) -> "Payload":
        """JSON."""
        return cls("application/json", json.dumps(value, ensure_ascii=False).encode())

    @classmethod
    def text(cls, text: str) -> "Payload":
        """Plain text."""
        return cls("text/plain; charset=utf-8", text.encode())


@dataclass(slots=True)
class Event:
    """What the bot is run on."""

    #: `evt_…`: the same for every delivery and attempt.
    id: str
    #: `run_…`: this bot on this event.
    run: str
    tenant: str
    #: The FHIR server that reads and writes go to.
    source: str | None
    #: Why the bot is run.
    trigger: Trigger
    #: When it happened by the source's clock, RFC 3339, where known.
    occurred: str | None
    #: When Hob had it on disk, RFC 3339.
    received: str
    #: When this attempt will be stopped, RFC 3339.
    deadline: str
    #: Counted from 1.
    attempt: int
    #: How many bots' writes lie between this event and one from outside.
    hop: int
    #: The payload, up to 1 MiB.
    payload: Payload | None = None
    #: The resource as the host holds it: for FHIRPath without parsing it again.
    document: "Document | None" = None
    _resource: Resource | None = None

    @property
    def resource(self) -> Resource:
        """The resource of a change at its version (for a delete: the last content before it). Parsed at the first look, and the same dictionary each time.

        Raises ``Reject("no-resource")`` where the event has none.
        """
        if self._resource is None:
            if self.document is None:
                raise Reject("no-resource", "the event came without its resource")
            # A change's payload is its resource: it is here already, up to the size beyond which there is no payload.
            is_here = self.payload is not None and isinstance(self.trigger, Change)
            self._resource = parsed(self.payload.body) if is_here else self.document.json()
        return self._resource

    def json(self) -> Json:
        """The payload as JSON. Raises ``Reject("no-payload")`` or ``Reject("json")``."""
        if self.payload is None:
            raise Reject("no-payload", "the event came without a payload")
        return parsed(self.payload.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """Handled, with an answer for who asked: ``return Reply.json({...})``."""

    payload: Payload

    @classmethod
    def json(cls, value: Json) -> "Reply":
        """JSON."""
        return cls(Payload.json(value))

    @classmethod
    def text(cls, text: str) -> "Reply":
        """Plain text."""
        return cls(Payload.text(text))


@dataclass(frozen=True, slots=True)
class _Done:
    """Handled."""


#: Handled. To return nothing says the same.
Done = _Done()

#: What a bot returns.
Outcome: TypeAlias = _Done | Reply | None


def parsed(body: bytes) -> Json:
    """Bytes as JSON, or a reject that says where they are none, and not what they are."""
    try:
        return json.loads(body)
    except UnicodeDecodeError as why:
        raise Reject("json", f"not UTF-8 at byte {why.start}") from None
    except json.JSONDecodeError as why:
        raise Reject("json", f"{why.msg} at line {why.lineno}, column {why.colno}") from None
