"""Requests to somebody outside.

What the run needs an answer to goes by :class:`Http`: each is asked once for the run, and an attempt that asks what an earlier one asked is given the same
answer. The same is what has the same method, URL and body, in its place among equals: put nothing random and no time into them; headers do not count.
What nobody has to wait for goes to the :class:`Outbox`: it is sent after the commit, and the answer comes back as an event.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .event import parsed
from .json_types import Json

if TYPE_CHECKING:
    from .contract import Contract

_JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Request:
    """A request."""

    method: str
    #: Allowed by an `[[http]]` rule of the manifest.
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Message:
    """A request to somebody outside, sent once after the commit."""

    #: Unique within the run; the reply's trigger bears it.
    key: str
    method: str
    #: Allowed by an `[[http]]` rule of the manifest.
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """What the receiver said, whatever its status."""

    status: int
    #: Names in lower case; of equal names the last.
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is of the 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Json:
        """The body as JSON. Raises ``Reject("json")`` where it is none."""
        return parsed(self.body)


class Http:
    """Requests whose answer the run needs. Each raises :class:`HttpError`; an answer with any status is none."""

    __slots__ = ("_contract",)

    def __init__(self, contract: "Contract") -> None:
        self._contract = contract

    def send(self, request: Request) -> Response:
        """Sends a request and waits for the answer."""
        return self._contract.ask(request)

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Response:
        """GETs."""
        return self.send(Request("GET", url, headers or {}))

    def post_json(self, url: str, body: Json, headers: Mapping[str, str] | None = None) -> Response:
        """POSTs JSON."""
        return self.send(Request("POST", url, {**_JSON, **(headers or {})}, json.dumps(body, ensure_ascii=False).encode()))


class Outbox:
    """Requests that are sent once, after the commit. Each raises :class:`Refused` where no rule of the manifest allows it, or the key is taken."""

    __slots__ = ("_contract",)

    def __init__(self, contract: "Contract") -> None:
        self._contract = contract

    def send(self, message: Message) -> None:
        """Stages a request."""
        self._contract.send(message)

    def post_json(self, key: str, url: str, body: Json, headers: Mapping[str, str] | None = None) -> None:
        """Stages a POST of JSON."""
        self.send(Message(key, "POST", url, {**_JSON, **(headers or {})}, json.dumps(body, ensure_ascii=False).encode()))
