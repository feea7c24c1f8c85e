"""Flags the patient of every stat task, once a task."""

from hob_sdk import Event, Host, Reject, bot

SYSTEM = "https://example.org/stat-flag"


@bot
def handle(event: Event, hob: Host) -> None:
    """Runs on one event. What it writes is committed in one transaction when it returns."""
    task = event.resource
    patient = reference_of(task.get("for"))
    if patient is None:
        raise Reject("no-patient", "the task has no patient")
    flag = {
        "resourceType": "Flag",
        "identifier": [{"system": SYSTEM, "value": task["id"]}],
        "status": "active",
        "code": {"text": "Has a stat task"},
        "subject": {"reference": patient},
    }
    made = hob.fhir.create_if_none_exist(flag, f"identifier={SYSTEM}|{task['id']}")
    print("the task has its flag already" if made.existed else "flagged")


def reference_of(value: object) -> str | None:
    """The text of a Reference, where it is one that has one."""
    reference = value.get("reference") if isinstance(value, dict) else None
    return reference if isinstance(reference, str) else None
