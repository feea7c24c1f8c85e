"""The bot's logic, without a sandbox: `python -m pytest`."""

import pytest

from bot import CALL, component, handle
from hob_sdk import Reject
from hob_sdk.testing import World, change, timer

SETTINGS = {"systolic": 180, "diastolic": 120, "unclaimed-minutes": 15}


def pressure(systolic: float, diastolic: float, **more: object) -> dict:
    def part(code: str, value: float) -> dict:
        quantity = {"value": value, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
        return {"code": {"coding": [{"system": "http://loinc.org", "code": code}]}, "valueQuantity": quantity}

    return {
        "resourceType": "Observation",
        "id": "bp1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "subject": {"reference": "Patient/ana"},
        "component": [part("8480-6", systolic), part("8462-4", diastolic)],
        **more,
    }


def world(*given: dict) -> World:
    return World(*given, settings=SETTINGS)


@pytest.mark.parametrize(("systolic", "diastolic", "calls"), [(180, 120, 0), (181, 80, 1), (120, 121, 1), (210, 130, 1)])
def test_only_a_crisis_is_a_call(systolic: float, diastolic: float, calls: int) -> None:
    hob = world()
    handle(change(pressure(systolic, diastolic)), hob)
    assert len(hob.resources("Task")) == calls


def test_the_call_names_patient_and_observation_and_has_a_timer() -> None:
    hob = world()
    handle(change(pressure(190, 100)), hob)
    [call] = hob.resources("Task")
    assert call["for"] == {"reference": "Patient/ana"}
    assert call["focus"] == {"reference": "Observation/bp1"}
    assert hob.standing["unclaimed-bp1"].at == "2026-01-01T12:15:00Z"


def test_a_corrected_observation_does_not_call_again() -> None:
    hob = world()
    handle(change(pressure(190, 100)), hob)
    handle(change(pressure(195, 100, status="corrected")), hob)
    assert len(hob.resources("Task")) == 1


@pytest.mark.parametrize(("more", "priority"), [({}, "stat"), ({"owner": {"reference": "Practitioner/p"}}, "urgent")])
def test_a_call_that_nobody_took_becomes_stat(more: dict, priority: str) -> None:
    task = {"resourceType": "Task", "id": "t", "status": "ready", "priority": "urgent", "identifier": [{"system": CALL, "value": "x"}]}
    hob = world({**task, **more})
    handle(timer("unclaimed-x", "2026-01-01T12:15:00Z", {"call": "Task/t"}), hob)
    assert hob.resource("Task/t")["priority"] == priority


def test_what_cannot_be_judged_is_rejected() -> None:
    with pytest.raises(Reject) as rejected:
        handle(change({"resourceType": "Observation", "id": "bp1", "component": []}), world())
    assert rejected.value.code == "no-values"


def test_other_units_are_not_taken_for_millimetres() -> None:
    observation = pressure(24, 16)
    observation["component"][0]["valueQuantity"]["code"] = "kPa"
    assert component(observation, "8480-6") is None
