"""What a run does, done some times while the component is built.

The interpreter specialises code that it has run a few times, and writes that into the code. Done in the build, it is in the memory that every run begins with;
done in a run, it takes time, and each page of memory that is written must be copied first. Measured: a fifth of a small bot's run.

Played with events and answers made up here, on a host that is not there; what it leaves is specialised code and full caches, and nothing that a bot can see.
"""

import types as modules
from collections.abc import Callable
from typing import Any

from componentize_py_types import Err
from wit_world.imports import fhir, types

from .event import Event
from .host import Host

#: More than the interpreter wants to see of a function before it specialises it.
_TIMES = 64
_AT = "2026-01-01T00:00:00Z"
_TASK = '{"resourceType":"Task","id":"a","meta":{"versionId":"1"},"status":"ready","priority":null,"input":[{"valueDecimal":1.5,"valueBoolean":true}]}'
_BUNDLE = f'{{"resourceType":"Bundle","type":"searchset","total":1,"entry":[{{"resource":{_TASK},"search":{{"mode":"match"}}}}]}}'
_CHANGE = '{"interaction":"update","type":"Task","id":"a","version":"2","previousVersion":"1"}'


class _Held:
    """A document as the host would hand it over."""

    def __init__(self, text: str) -> None:
        self._text = text

    def bytes(self) -> bytes:
        return self._text.encode()

    def get(self, pointer: str) -> str | None:
        return '"a"' if pointer else self._text


def _module(name: str, **functions: Callable[..., Any]) -> modules.ModuleType:
    made = modules.ModuleType(name)
    made.__dict__.update(functions)
    return made


#: What stands for the imports of the same names.
_IMPORTS = {
    "fhir": _module(
        "fhir",
        read=lambda reference: _Held(_TASK),
        search=lambda kind, query: fhir.Page(_Held(_BUNDLE), None),
        create=lambda body, condition: fhir.Created("Task/a", True, False),
        update=lambda body: None,
        patch=lambda reference, patch: None,
    ),
    "settings": _module("settings", get=lambda name: "3"),
    "timers": _module("timers", set=lambda key, at, payload: None, cancel=lambda key: None),
}


def _bot(event: Event, hob: Host) -> None:
    """Does what most bots do."""
    task = event.resource
    assert task is not None and event.json() is not None
    now = hob.now()
    for found in hob.fhir.search_all("Task", "status=ready"):
        hob.fhir.patch(f"Task/{found['id']}", [{"op": "add", "path": "/status", "value": "done"}])
    task["authoredOn"] = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    hob.fhir.update({**task, **hob.fhir.read("Task/a")})
    created = hob.fhir.create_if_none_exist(task, "identifier=a")
    hob.fhir.create(task)
    hob.timers.set("due", now, {"task": created.reference, "days": hob.settings["days"]})
    hob.timers.cancel("due")


def rehearse(scope: dict[str, Any], handle: Callable[[Any, str, types.Event], object]) -> None:
    """Calls the component's own `handle`, whose imports are looked up in `scope`."""
    kept = {name: scope[name] for name in _IMPORTS}
    scope.update(_IMPORTS)
    try:
        for _ in range(_TIMES):
            payload = types.Payload("application/fhir+json", _TASK.encode())
            held: Any = _Held(_TASK)
            handle(_bot, "", types.Event("evt_a", "run_a", "a", "a", "change", None, _AT, _AT, 1, 0, _CHANGE, payload, held))
    except Err as error:
        # What a build says is the exception's own words.
        raise RuntimeError(f"the rehearsal failed: {error.value}") from None
    finally:
        scope.update(kept)
