"""Write Hob bots in Python.

A bot is one function over an event. What it asks of the world goes through :class:`Host`, so the same function runs in the sandbox and in a
native unit test on :class:`hob_sdk.testing.World`::

    from hob_sdk import Event, Host, Reject, bot

    @bot
    def handle(event: Event, hob: Host) -> None:
        task = event.resource
        patient = task.get("for", {}).get("reference")
        if patient is None:
            raise Reject("no-patient", "the task has no patient")
        hob.fhir.create({"resourceType": "Flag", "status": "active", "subject": {"reference": patient}})

``python -m hob_sdk.componentize`` makes a component of it.
"""

from . import log, triggers
from .decorator import bot
from .errors import Failure, FhirError, HttpError, Refused, Reject, Retry
from .event import Done, Event, Outcome, Payload, Reply
from .host import Created, Document, Fhir, Host, Page
from .json_types import Json, Resource
from .outside import Message, Request, Response
from .secret import Algorithm, Secret

__all__ = [
    "Algorithm",
    "Created",
    "Document",
    "Done",
    "Event",
    "Failure",
    "Fhir",
    "FhirError",
    "Host",
    "HttpError",
    "Json",
    "Message",
    "Outcome",
    "Page",
    "Payload",
    "Refused",
    "Reject",
    "Reply",
    "Request",
    "Resource",
    "Response",
    "Retry",
    "Secret",
    "bot",
    "log",
    "triggers",
]
