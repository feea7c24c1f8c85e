"""Why a bot is run. `match event.trigger` tells them apart::

    match event.trigger:
        case triggers.Change(interaction="delete"): ...
        case triggers.Timer(key=key): ...
"""

from dataclasses import dataclass

from .json_types import Json


@dataclass(frozen=True, slots=True)
class Change:
    """A version of a resource."""

    #: `create`, `update` or `delete`.
    interaction: str
    resource_type: str
    id: str
    version: str
    #: The version before, where known.
    previous_version: str | None = None


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression came due."""

    schedule: str
    #: The instant that it named, RFC 3339.
    at: str


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer that a run of this bot set. Its payload is the event's."""

    key: str
    #: When it was to fire, RFC 3339.
    due: str


@dataclass(frozen=True, slots=True)
class Invoke:
    """Somebody asked."""

    requester: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to an outbox item. Its body is the event's payload."""

    key: str
    #: The HTTP status; none where no answer came.
    status: int | None


@dataclass(frozen=True, slots=True)
class Other:
    """A word that this version of the SDK does not know."""

    word: str
    attributes: Json


Trigger = Change | Cron | Timer | Invoke | Reply | Other


def of(word: str, attributes: Json) -> Trigger:
    """From the contract's word and attributes."""

    def text(key: str) -> str:
        value = attributes.get(key)
        return value if isinstance(value, str) else ""

    match word:
        case "change":
            previous = attributes.get("previousVersion")
            return Change(text("interaction"), text("type"), text("id"), text("version"), previous)
        case "cron":
            return Cron(text("schedule"), text("at"))
        case "timer":
            return Timer(text("key"), text("due"))
        case "invoke":
            return Invoke(text("requester"))
        case "reply":
            return Reply(text("key"), attributes.get("status"))
        case _:
            return Other(word, attributes)
