"""Has a clinician call about a blood pressure in the range of a crisis, and raises the call's priority when nobody took it in time."""

from datetime import timedelta

from hob_sdk import Event, Host, Reject, Resource, bot, log, triggers

LOINC = "http://loinc.org"
SYSTOLIC, DIASTOLIC = "8480-6", "8462-4"
CALL = "https://example.org/pressure-call"


@bot
def handle(event: Event, hob: Host) -> None:
    match event.trigger:
        case triggers.Timer():
            hurry(event.json()["call"], hob)
        case triggers.Change():
            watch(event.resource, hob)


def watch(observation: Resource, hob: Host) -> None:
    """Opens a call for a crisis, once an Observation."""
    systolic, diastolic = component(observation, SYSTOLIC), component(observation, DIASTOLIC)
    if systolic is None and diastolic is None:
        raise Reject("no-values", "neither a systolic nor a diastolic value in mm[Hg]")
    if (systolic or 0) <= hob.settings["systolic"] and (diastolic or 0) <= hob.settings["diastolic"]:
        return
    patient = observation.get("subject", {}).get("reference")
    if patient is None:
        raise Reject("no-patient", "the observation has no subject")
    id_ = observation["id"]
    call = {
        "resourceType": "Task",
        "identifier": [{"system": CALL, "value": id_}],
        "status": "ready",
        "intent": "order",
        "priority": "urgent",
        "code": {"text": "Call the patient: blood pressure in the range of a crisis"},
        "focus": {"reference": f"Observation/{id_}"},
        "for": {"reference": patient},
        "authoredOn": hob.now().isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    created = hob.fhir.create_if_none_exist(call, f"identifier={CALL}|{id_}")
    if created.existed:
        log.info("there is a call already")
        return
    due = hob.now().replace(microsecond=0) + timedelta(minutes=hob.settings["unclaimed-minutes"])
    hob.timers.set(f"unclaimed-{id_}", due, {"call": created.reference})


def hurry(reference: str, hob: Host) -> None:
    """Makes a call that nobody took `stat`."""
    call = hob.fhir.find(reference)
    if call is None or call["status"] != "ready" or "owner" in call:
        return
    call["priority"] = "stat"
    hob.fhir.update(call)


def component(observation: Resource, code: str) -> float | None:
    """A component's value, where it is in mm[Hg]."""
    for one in observation.get("component", []):
        codes = [(coding.get("system"), coding.get("code")) for coding in one.get("code", {}).get("coding", [])]
        quantity = one.get("valueQuantity", {})
        if (LOINC, code) in codes and quantity.get("code") == "mm[Hg]":
            return quantity.get("value")
    return None
