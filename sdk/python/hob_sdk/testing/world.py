"""The world of one test."""

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import FhirError, HttpError, Refused
from ..host import Created, Document, Host, Page, instant
from ..json_types import Json, Resource, reference_of
from ..outside import Message, Request, Response
from . import searching


@dataclass(frozen=True)
class Staged:
    """What a bot staged: `create`, `update`, `delete` or `guard`, and the resource or the reference."""

    what: str
    on: Any
    version: str | None = None


@dataclass(frozen=True)
class Timer:
    """A timer that stands."""

    at: str
    payload: Json


class World(Host):
    """A host of a test: `World(resource, …, settings={…}, now=…)`. A path is a file with a resource or a list of them."""

    def __init__(
        self,
        *given: Resource | Path,
        now: datetime = datetime(2026, 1, 1, 12, tzinfo=UTC),
        settings: Mapping[str, Json] | None = None,
        secrets: Mapping[str, str | None] | None = None,
        search: Callable[[str, str], list[Resource] | None] | None = None,
        fhirpath: Callable[[Json, str], list[Json]] | None = None,
        answer: Callable[[Request], Response] | None = None,
        sign: Callable[[str, str, bytes], bytes] | None = None,
    ) -> None:
        """`secrets` by name, with a value where the manifest exposes it. `search` answers searches (None leaves one to the world), `fhirpath`
        FHIRPath, `answer` requests to others, `sign` signs.
        """
        contract = _Contract(now, dict(settings or {}), dict(secrets or {}), search, fhirpath, answer, sign)
        super().__init__(contract)
        self._world = contract
        for one in given:
            loaded = json.loads(one.read_text("utf-8")) if isinstance(one, Path) else one
            for resource in loaded if isinstance(loaded, list) else [loaded]:
                contract.put(resource)

    def resource(self, reference: str) -> Resource:
        """A resource as it is now."""
        return self._world.read(reference)

    def resources(self, resource_type: str) -> list[Resource]:
        """The current resources of a type, by id."""
        return self._world.current(resource_type)

    @property
    def staged(self) -> list[Staged]:
        """What was staged, in order."""
        return self._world.done

    @property
    def standing(self) -> dict[str, Timer]:
        """Timers that stand, by key."""
        return self._world.clocks

    @property
    def cancelled(self) -> list[str]:
        """Keys of timers that were taken back, in order."""
        return self._world.taken_back

    @property
    def sent(self) -> list[Message]:
        """Requests that were put in the outbox, in order."""
        return self._world.out

    @property
    def asked(self) -> list[Request]:
        """Requests that the bot waited for, in order."""
        return self._world.asked


@dataclass(frozen=True)
class _Held:
    value: Json
    answer: Callable[[Json, str], list[Json]] | None

    def get(self, pointer: str) -> Json | None:
        try:
            return searching.at(self.value, pointer)
        except (KeyError, IndexError, ValueError, TypeError):
            return None

    def fhirpath(self, expression: str, variables: dict[str, Json] | None = None) -> list[Json]:
        if self.answer is None:
            raise Refused("fhirpath", "a native test has no FHIRPath: give the world answers, World(fhirpath=…)")
        return self.answer(self.value, expression)

    def json(self) -> Json:
        return deepcopy(self.value)


class _Contract:
    """The contract over dictionaries."""

    def __init__(
        self,
        now: datetime,
        settings: dict[str, Json],
        secrets: dict[str, str | None],
        search: Callable[[str, str], list[Resource] | None] | None,
        fhirpath: Callable[[Json, str], list[Json]] | None,
        answer: Callable[[Request], Response] | None,
        sign: Callable[[str, str, bytes], bytes] | None,
    ) -> None:
        self._now, self._settings, self._secrets = now, settings, secrets
        self._search, self._fhirpath, self._answer, self._sign = search, fhirpath, answer, sign
        #: Versions by reference, oldest first; None is a delete.
        self.store: dict[str, list[Resource | None]] = {}
        self.done: list[Staged] = []
        self.clocks: dict[str, Timer] = {}
        self.taken_back: list[str] = []
        self.out: list[Message] = []
        self.asked: list[Request] = []
        self._created = 0

    def put(self, resource: Resource) -> None:
        reference = reference_of(resource)
        if reference is None:
            raise ValueError("a resource of a world has resourceType and id")
        versions = self.store.setdefault(reference, [])
        kept = deepcopy(resource)
        kept["meta"] = {**kept.get("meta", {}), "versionId": str(len(versions) + 1)}
        versions.append(kept)

    def current(self, resource_type: str) -> list[Resource]:
        newest = [versions[-1] for _, versions in sorted(self.store.items())]
        return [deepcopy(one) for one in newest if one is not None and one["resourceType"] == resource_type]

    def now(self) -> datetime:
        return self._now

    def read(self, reference: str) -> Resource:
        versions = self.store.get(reference)
        if versions is None:
            raise FhirError("not-found", "no such resource", status=404)
        if versions[-1] is None:
            raise FhirError("gone", "it was deleted", status=410)
        return deepcopy(versions[-1])

    def vread(self, reference: str, version: str) -> Resource:
        versions = self.store.get(reference, [])
        found = versions[int(version) - 1] if version.isdecimal() and 0 < int(version) <= len(versions) else None
        if found is None:
            raise FhirError("not-found", "no such version", status=404)
        return deepcopy(found)

    def history(self, reference: str) -> Page:
        if reference not in self.store:
            raise FhirError("not-found", "no such resource", status=404)
        deleted = {"request": {"method": "DELETE", "url": reference}}
        entries = [deleted if one is None else {"resource": deepcopy(one)} for one in reversed(self.store[reference])]
        return Page({"resourceType": "Bundle", "type": "history", "entry": entries})

    def search(self, resource_type: str, query: str) -> Page:
        found = self._search(resource_type, query) if self._search else None
        if found is None:
            found = searching.find(self.current(resource_type), query)
        entries = [{"resource": one, "search": {"mode": "match"}} for one in found]
        return Page({"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries})

    def more(self, next_page: str) -> Page:
        raise FhirError("invalid", "every search of this world has one page")

    def batch(self, urls: Sequence[str]) -> list[Resource | FhirError]:
        return [self._one(url) for url in urls]

    def _one(self, url: str) -> Resource | FhirError:
        try:
            if "?" in url:
                return self.search(*url.split("?", 1)).bundle
            if "/_history/" in url:
                return self.vread(*url.split("/_history/", 1))
            return self.read(url)
        except FhirError as error:
            return error

    def operation(self, name: str, reference: str, query: str) -> Page:
        if name != "everything" or not reference.startswith("Patient/"):
            raise FhirError("refused", "this world does `everything` of a Patient")
        patient = self.read(reference)
        newest = [versions[-1] for _, versions in sorted(self.store.items())]
        about = [deepcopy(one) for one in newest if one is not None and searching.mentions(one, reference)]
        entries = [{"resource": one, "search": {"mode": "match"}} for one in [patient, *about]]
        return Page({"resourceType": "Bundle", "type": "searchset", "entry": entries})

    def create(self, resource: Resource, if_none_exist: str | None) -> Created:
        kind = resource.get("resourceType")
        if not isinstance(kind, str):
            raise FhirError("invalid", "no resourceType")
        if if_none_exist is not None:
            found = self.search(kind, if_none_exist).matches
            if len(found) > 1:
                raise FhirError("conflict", "if-none-exist finds more than one", status=412)
            if found:
                return Created(reference_of(found[0]) or "", is_final=True, existed=True)
        self._created += 1
        made = {**deepcopy(resource), "id": f"created-{self._created}"}
        self.put(made)
        self.done.append(Staged("create", made))
        return Created(f"{kind}/{made['id']}", is_final=True, existed=False)

    def update(self, resource: Resource) -> None:
        reference = reference_of(resource)
        if reference is None:
            raise FhirError("invalid", "an update needs resourceType and id")
        if self.read(reference) != resource:
            self.put(resource)
            self.done.append(Staged("update", deepcopy(resource)))

    def patch(self, reference: str, patch: Json) -> None:
        resource = self.read(reference)
        for operation in patch:
            searching.apply(resource, operation)
        self.update(resource)

    def delete(self, reference: str) -> None:
        self.read(reference)
        self.store[reference].append(None)
        self.done.append(Staged("delete", reference))

    def guard(self, reference: str, version: str) -> None:
        self.done.append(Staged("guard", reference, version))

    def set_timer(self, key: str, at: str, payload: Json) -> None:
        self.clocks[key] = Timer(instant(at), deepcopy(payload))

    def cancel_timer(self, key: str) -> None:
        self.clocks.pop(key, None)
        self.taken_back.append(key)

    def send(self, message: Message) -> None:
        if any(message.key == other.key for other in self.out):
            raise Refused("outbox", "this run already has an outbox item of this key")
        self.out.append(message)

    def ask(self, request: Request) -> Response:
        self.asked.append(request)
        if self._answer is None:
            raise HttpError("not-allowed", "nobody answers in this world: World(answer=…)")
        return self._answer(request)

    def setting(self, name: str) -> Json | None:
        return deepcopy(self._settings.get(name))

    def placeholder(self, name: str) -> str:
        if name not in self._secrets:
            raise Refused("secret", "there is no such secret")
        return f"hob-secret:{name}:test"

    def sign(self, name: str, algorithm: str, data: bytes) -> bytes:
        self.placeholder(name)
        if self._sign is None:
            raise Refused("secret", "nobody signs in this world: World(sign=…)")
        return self._sign(name, algorithm, data)

    def expose(self, name: str) -> str:
        value = self._secrets.get(name)
        if value is None:
            raise Refused("secret", "the world does not expose it: World(secrets={name: value})")
        return value

    def document(self, value: Json) -> Document:
        return _Held(deepcopy(value), self._fhirpath)
