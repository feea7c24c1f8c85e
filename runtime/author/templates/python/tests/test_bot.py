from hob_sdk.testing import World, change

from bot import handle


def test_the_flag_is_for_the_tasks_patient() -> None:
    world = World()
    handle(change({"resourceType": "Task", "id": "t1", "for": {"reference": "Patient/ada"}}), world)
    assert world.resources("Flag")[0]["subject"]["reference"] == "Patient/ada"
