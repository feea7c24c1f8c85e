"""The contract's implementation in the sandbox. Only the component's entry, which `hob_sdk.componentize` writes, names it.

All that is imported here is imported while the component is built: its memory is kept as it is then, and a run begins there. So whatever a run needs is made
ready here, and what a run may not have in common with others (randomness, clocks) is asked of the host in the run.
"""

import gc
import json
import logging
import os
import random
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any, TypeVar

from componentize_py_types import Err
from wit_world.imports import document, fhir, http, outbox, secrets, settings, timers, types

from . import failing, log, rehearsal, triggers
from .decorator import Handler, bots_of, what_is_wrong
from .errors import Failure, FhirError, HostError, HttpError, Refused, Reject
from .event import Done, Event, Payload, Reply
from .host import Created, Document, Host, Page
from .json_types import Json, Resource
from .outside import Message, Request, Response

T = TypeVar("T")


def world(module: ModuleType) -> type:
    """The class that componentize-py exports: the module's bot. Call it last, since it makes the memory ready to be kept.

    Raises ``TypeError`` where the module has no bot, or several.
    """
    marked = bots_of(module)
    if len(marked) != 1:
        names = ", ".join(one.__name__ for one in marked) or "none"
        raise TypeError(f"{module.__name__} must mark one function with @bot; it marks {names}")
    handle = marked[0]
    wrong = what_is_wrong(handle)
    if wrong is not None:
        raise TypeError(wrong)
    root = os.path.dirname(module.__file__ or "")

    class WitWorld:
        def handle(self, event: types.Event) -> types.Payload | None:
            return _handle(handle, root, event)

    failing.keep_sources(root)
    _prepare()
    return WitWorld


def _prepare() -> None:
    """What the run's log and a small memory want."""
    # A run that a limit ends must not lose what it printed.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.stderr.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(log.RunLog())
        root.setLevel(logging.INFO)
    rehearsal.rehearse(globals(), _handle)
    # What is there now stays: the collector need not look at it, which would copy its pages in every run.
    gc.collect()
    gc.freeze()


def _handle(handle: Handler, root: str, event: types.Event) -> types.Payload | None:
    # Else every run would have the numbers of the build. As a number: of bytes `seed` would take a SHA-512 first.
    random.seed(int.from_bytes(os.urandom(16)))
    try:
        outcome = handle(_lift(event), Host(_Sandbox()))
        if outcome is None or outcome is Done:
            return None
        if isinstance(outcome, Reply):
            return types.Payload(outcome.payload.content_type, outcome.payload.body)
        kind = type(outcome).__name__
        raise Reject("bad-return", f"{handle.__name__} returned {kind}: return None, Done or Reply.json(…)")
    except Failure as failure:
        log.debug(f"{failure.code} was raised at {failing.place(failure, root)}")
        raise Err(_lower(failure)) from None
    except HostError as error:
        failure = error.as_failure()
        log.error(f"{failure.code} was raised at {failing.place(error, root)}")
        raise Err(_lower(failure)) from None
    except BaseException as error:  # noqa: BLE001 - also SystemExit: a bot that exits has not answered
        for line in failing.told(error, root):
            log.error(line)
        raise Err(_lower(failing.failure(error, root))) from None
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _lower(failure: Failure) -> types.Failure:
    after = None if failure.after is None else max(0, int(failure.after.total_seconds() * 1000))
    details = None if failure.details is None else json.dumps(failure.details, ensure_ascii=False, default=str)
    return types.Failure(failure.kind, failure.code, failure.message, after, details)


def _lift(event: types.Event) -> Event:
    payload = None if event.payload is None else Payload(event.payload.content_type, bytes(event.payload.body))
    return Event(
        id=event.id,
        run=event.run,
        tenant=event.tenant,
        source=event.source,
        trigger=triggers.of(event.trigger, json.loads(event.attributes)),
        occurred=event.occurred,
        received=event.received,
        deadline=event.deadline,
        attempt=event.attempt,
        hop=event.hop,
        payload=payload,
        document=None if event.resource is None else _Held(event.resource),
    )


class _Held:
    """A document of the host's."""

    __slots__ = ("_document",)

    def __init__(self, held: document.Document) -> None:
        self._document = held

    def get(self, pointer: str) -> Json | None:
        found = _asked(lambda: self._document.get(pointer), _document_error)
        return None if found is None else json.loads(found)

    def fhirpath(self, expression: str, variables: dict[str, Json] | None = None) -> list[Json]:
        given = None if variables is None else _bytes(variables).decode()
        return json.loads(_asked(lambda: self._document.fhirpath(expression, given), _document_error))

    def json(self) -> Json:
        return json.loads(bytes(self._document.bytes()))


def _asked(call: Callable[[], T], failed: Callable[[Any], Exception]) -> T:
    """What a call answers; its error becomes the SDK's."""
    try:
        return call()
    except Err as error:
        raise failed(error.value) from None


def _fhir_error(error: fhir.Error) -> FhirError:
    try:
        outcome = None if error.outcome is None else json.loads(error.outcome)
    except json.JSONDecodeError:
        outcome = None
    return FhirError(error.code, error.message, status=error.status, outcome=outcome)


def _document_error(error: document.Error) -> Refused:
    return Refused("fhirpath" if error.code == "fhirpath" else "document", error.message)


def _http_error(error: http.Error) -> HttpError:
    wait = None if error.retry_after_ms is None else timedelta(milliseconds=error.retry_after_ms)
    return HttpError(error.code, error.message, retry_after=wait)


def _refused(what: str) -> Callable[[str], Refused]:
    return lambda message: Refused(what, message)


def _bytes(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _json(held: document.Document) -> Resource:
    return json.loads(bytes(held.bytes()))


def _page(page: fhir.Page) -> Page:
    return Page(_json(page.bundle), page.next)


class _Sandbox:
    """The host of this sandbox."""

    __slots__ = ()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def read(self, reference: str) -> Resource:
        return _json(_asked(lambda: fhir.read(reference), _fhir_error))

    def vread(self, reference: str, version: str) -> Resource:
        return _json(_asked(lambda: fhir.vread(reference, version), _fhir_error))

    def history(self, reference: str) -> Page:
        return _page(_asked(lambda: fhir.history(reference), _fhir_error))

    def search(self, resource_type: str, query: str) -> Page:
        return _page(_asked(lambda: fhir.search(resource_type, query), _fhir_error))

    def more(self, next_page: str) -> Page:
        return _page(_asked(lambda: fhir.more(next_page), _fhir_error))

    def batch(self, urls: Sequence[str]) -> list[Resource | FhirError]:
        answers = fhir.batch([fhir.Request(url) for url in urls])
        return [_fhir_error(one.value) if isinstance(one, Err) else _json(one.value) for one in answers]

    def operation(self, name: str, reference: str, query: str) -> Page:
        return _page(_asked(lambda: fhir.operation(name, reference, query), _fhir_error))

    def create(self, resource: Resource, if_none_exist: str | None) -> Created:
        created = _asked(lambda: fhir.create(_bytes(resource), if_none_exist), _fhir_error)
        return Created(created.reference, created.is_final, created.existed)

    def update(self, resource: Resource) -> None:
        _asked(lambda: fhir.update(_bytes(resource)), _fhir_error)

    def patch(self, reference: str, patch: Json) -> None:
        _asked(lambda: fhir.patch(reference, _bytes(patch).decode()), _fhir_error)

    def delete(self, reference: str) -> None:
        _asked(lambda: fhir.delete(reference), _fhir_error)

    def guard(self, reference: str, version: str) -> None:
        _asked(lambda: fhir.guard(reference, version), _fhir_error)

    def set_timer(self, key: str, at: str, payload: Json) -> None:
        _asked(lambda: timers.set(key, at, _bytes(payload).decode()), _refused("timer"))

    def cancel_timer(self, key: str) -> None:
        _asked(lambda: timers.cancel(key), _refused("timer"))

    def send(self, message: Message) -> None:
        headers = list(message.headers.items())
        request = outbox.Request(message.key, message.method, message.url, headers, message.body)
        _asked(lambda: outbox.send(request), _refused("outbox"))

    def ask(self, request: Request) -> Response:
        asked = http.Request(request.method, request.url, list(request.headers.items()), request.body)
        answer = _asked(lambda: http.send(asked), _http_error)
        return Response(answer.status, dict(answer.headers), bytes(answer.body))

    def setting(self, name: str) -> Json | None:
        value = settings.get(name)
        return None if value is None else json.loads(value)

    def placeholder(self, name: str) -> str:
        return _asked(lambda: secrets.placeholder(name), _refused("secret"))

    def sign(self, name: str, algorithm: str, data: bytes) -> bytes:
        return bytes(_asked(lambda: secrets.sign(name, algorithm, data), _refused("secret")))

    def expose(self, name: str) -> str:
        return _asked(lambda: secrets.expose(name), _refused("secret"))

    def document(self, value: Json) -> Document:
        return _Held(_asked(lambda: document.Document.parse(_bytes(value)), _document_error))
