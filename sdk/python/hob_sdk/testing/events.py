"""Events for tests."""

from .. import triggers
from ..event import Event, Payload
from ..json_types import Json, Resource


def event(trigger: triggers.Trigger, *, resource: Resource | None = None, payload: Payload | None = None) -> Event:
    """An event with this trigger."""
    return Event(
        id="evt_test",
        run="run_test",
        tenant="test",
        source="test",
        trigger=trigger,
        occurred=None,
        received="2026-01-01T12:00:00Z",
        deadline="2026-01-01T12:00:30Z",
        attempt=1,
        hop=0,
        payload=payload,
        _resource=resource,
    )


def change(resource: Resource, interaction: str = "update", previous_version: str | None = None) -> Event:
    """A change of this resource."""
    version = resource.get("meta", {}).get("versionId", "1")
    kind, id_ = resource.get("resourceType", ""), resource.get("id", "")
    payload = Payload("application/fhir+json", Payload.json(resource).body)
    return event(triggers.Change(interaction, kind, id_, version, previous_version), resource=resource, payload=payload)


def timer(key: str, due: str, payload: Json = None) -> Event:
    """A timer that came due."""
    return event(triggers.Timer(key, due), payload=Payload.json(payload))


def cron(schedule: str, at: str) -> Event:
    """A cron expression that came due."""
    return event(triggers.Cron(schedule, at))


def invoke(value: Json, requester: str = "test") -> Event:
    """An invocation with JSON."""
    return event(triggers.Invoke(requester), payload=Payload.json(value))


def reply(key: str, status: int | None, body: Json = None) -> Event:
    """The answer to an outbox item."""
    return event(triggers.Reply(key, status), payload=Payload.json(body))
