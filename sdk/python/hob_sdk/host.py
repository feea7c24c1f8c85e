"""What a bot can ask of the host."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from .contract import Contract
from .errors import FhirError, Reject
from .json_types import Json, Resource, reference_of
from .outside import Http, Outbox
from .secret import Secret


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a search or a history."""

    #: The Bundle.
    bundle: Resource
    #: Names the next page; none on the last.
    next: str | None = None

    @property
    def matches(self) -> list[Resource]:
        """The resources that the search is for, without those that were included."""
        entries = [entry for entry in self.bundle.get("entry", []) if "resource" in entry]
        return [entry["resource"] for entry in entries if entry.get("search", {}).get("mode", "match") == "match"]


@dataclass(frozen=True, slots=True)
class Created:
    """What a create gave."""

    #: What may be put into references of other staged resources, timers and outbox items.
    reference: str
    #: Whether the id in it is final.
    is_final: bool
    #: Whether `if_none_exist` found it: nothing was staged.
    existed: bool


class Document(Protocol):
    """JSON that the host holds parsed. Each raises :class:`Refused`."""

    def get(self, pointer: str) -> Json | None:
        """The JSON at an RFC 6901 pointer; none where there is nothing."""
        ...

    def fhirpath(self, expression: str, variables: dict[str, Json] | None = None) -> list[Json]:
        """What FHIRPath (R4 model) finds in it."""
        ...

    def json(self) -> Json:
        """The whole."""
        ...


class Fhir:
    """Reads and staged writes at the event's source. All writes commit together when the bot returns. Each raises :class:`FhirError`."""

    __slots__ = ("_contract",)

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def read(self, reference: str) -> Resource:
        """The resource as staged, else as the server has it."""
        return self._contract.read(reference)

    def find(self, reference: str) -> Resource | None:
        """The resource, or none where there is none (any more)."""
        try:
            return self._contract.read(reference)
        except FhirError as error:
            if error.is_absent:
                return None
            raise

    def vread(self, reference: str, version: str) -> Resource:
        """One version."""
        return self._contract.vread(reference, version)

    def history(self, reference: str) -> Page:
        """The versions, newest first."""
        return self._contract.history(reference)

    def search(self, resource_type: str, query: str) -> Page:
        """The first page of a search."""
        return self._contract.search(resource_type, query)

    def more(self, page: Page) -> Page | None:
        """The page after this one; none after the last."""
        return None if page.next is None else self._contract.more(page.next)

    def search_all(self, resource_type: str, query: str) -> Iterator[Resource]:
        """The matches of every page; a page is asked for when it is wanted."""
        yield from self._all(self.search(resource_type, query))

    def everything(self, patient: str, query: str = "") -> Iterator[Resource]:
        """What the scopes show of all that is about a patient (Patient/$everything). `query` may have `_since`, `_type`, `start` and `end`."""
        yield from self._all(self._contract.operation("everything", patient, query))

    def _all(self, first: Page) -> Iterator[Resource]:
        page: Page | None = first
        while page is not None:
            yield from page.matches
            page = self.more(page)

    def batch(self, urls: Sequence[str]) -> "list[Resource | FhirError]":
        """Reads made at once: `Type/id`, `Type/id/_history/version` or `Type?search` (its first page's Bundle). What failed is its error."""
        return self._contract.batch(urls)

    def create(self, resource: Resource) -> Created:
        """Stages a new resource."""
        return self._contract.create(resource, None)

    def create_if_none_exist(self, resource: Resource, search: str) -> Created:
        """Stages a new resource unless the search finds one already; :attr:`Created.existed` tells."""
        return self._contract.create(resource, search)

    def update(self, resource: Resource) -> None:
        """Stages new content. The commit fails, and the event is run again on fresh reads, if the resource is no longer as this run read it."""
        self._contract.update(resource)

    def patch(self, reference: str, patch: Json) -> None:
        """Stages a JSON Patch (RFC 6902)."""
        self._contract.patch(reference, patch)

    def delete(self, reference: str) -> None:
        """Stages the end of a resource."""
        self._contract.delete(reference)

    def guard(self, resource: Resource) -> None:
        """Makes the commit fail if this resource, as it was read, has changed until then."""
        self._contract.guard(reference_of(resource) or "", resource.get("meta", {}).get("versionId", ""))


class Timers:
    """Durable timers in the lane of the run. Each raises :class:`Refused`."""

    __slots__ = ("_contract",)

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def set(self, key: str, at: datetime | str, payload: Json = None) -> None:
        """Sets or moves the timer `key` to `at` (a time with its zone, or RFC 3339); it fires as an event with this payload."""
        self._contract.set_timer(key, instant(at), payload)

    def cancel(self, key: str) -> None:
        """Takes the timer back, also when it has fired but not started."""
        self._contract.cancel_timer(key)


class Settings:
    """What the deployment set, else the manifest's defaults."""

    __slots__ = ("_contract",)

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or the default where there is none."""
        value = self._contract.setting(name)
        return default if value is None else value

    def __contains__(self, name: str) -> bool:
        """Whether it has a value."""
        return self._contract.setting(name) is not None

    def __getitem__(self, name: str) -> Any:
        """The value. Raises ``Reject("setting")`` where there is none."""
        value = self._contract.setting(name)
        if value is None:
            raise Reject("setting", f"the setting {name} is not set")
        return value


class Host:
    """The host of a run."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        #: Reads and staged writes at the event's source.
        self.fhir = Fhir(contract)
        #: Durable timers.
        self.timers = Timers(contract)
        #: Requests to somebody outside whose answer the run needs.
        self.http = Http(contract)
        #: Requests to somebody outside, sent after the commit.
        self.outbox = Outbox(contract)
        #: What the deployment set.
        self.settings = Settings(contract)

    def now(self) -> datetime:
        """Where the run's clock stands, in UTC. A run sees time hardly pass, and a replay sees the same: take this, not ``datetime.now()``, so that a test can
        say when it is.
        """
        return self._contract.now()

    def secret(self, name: str) -> Secret:
        """A secret of the manifest."""
        return Secret(self._contract, name)

    def document(self, value: Json) -> Document:
        """Gives the host JSON to hold, for many questions about it."""
        return self._contract.document(value)

    def fhirpath(self, resource: Resource, expression: str) -> list[Json]:
        """What FHIRPath (R4) finds in a resource. Raises :class:`Refused`."""
        return self._contract.document(resource).fhirpath(expression)


def instant(at: datetime | str) -> str:
    """RFC 3339. A time without a zone names no instant, and is refused rather than guessed."""
    if isinstance(at, str):
        return at
    if at.tzinfo is None:
        raise Reject("timer", "the time has no zone: make it with datetime(…, tzinfo=UTC) or hob.now()")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
