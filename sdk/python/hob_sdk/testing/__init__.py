"""A small world for unit tests of a bot's logic: a FHIR store in memory, settings, timers and an outbox.

It is a stand-in for the sandbox, not for a FHIR server: writes show at once, searches know plain equality only (give the world `search` for the rest), and no
scope or limit is enforced. What those do is the engine's to test, and a bot's `cases/`::

    world = World(Path("Patient/a.json"), {"resourceType": "Task", "id": "1", "for": {"reference": "Patient/a"}})
    handle(change(world.resource("Task/1")), world)
    assert world.resources("Flag")[0]["subject"]["reference"] == "Patient/a"
"""

from .events import change, cron, event, invoke, reply, timer
from .world import Staged, Timer, World

__all__ = ["Staged", "Timer", "World", "change", "cron", "event", "invoke", "reply", "timer"]
