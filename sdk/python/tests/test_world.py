"""The world of native tests, and the words of failures."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from hob_sdk import FhirError, HttpError, Refused, Reject, Reply, Request, Response, Retry, failing, log, triggers
from hob_sdk.decorator import what_is_wrong
from hob_sdk.testing import World, change, event, invoke, timer


def task(id_: str = "1", **more: object) -> dict:
    return {"resourceType": "Task", "id": id_, "status": "ready", **more}


def test_a_write_is_seen_and_kept() -> None:
    world = World(task())
    fhir = world.fhir
    one = fhir.read("Task/1")
    assert one["meta"]["versionId"] == "1"
    fhir.update({**one, "status": "completed"})
    fhir.patch("Task/1", [{"op": "add", "path": "/owner", "value": {"reference": "Practitioner/p"}}])
    created = fhir.create({"resourceType": "Flag", "status": "active"})
    assert fhir.read(created.reference)["status"] == "active"
    assert len(list(fhir.search_all("Task", "status=completed&owner=Practitioner/p"))) == 1
    assert [one.what for one in world.staged] == ["update", "update", "create"]
    assert [entry["resource"]["meta"]["versionId"] for entry in fhir.history("Task/1").bundle["entry"]] == ["3", "2", "1"]
    assert fhir.vread("Task/1", "1")["status"] == "ready"
    fhir.delete("Task/1")
    assert fhir.find("Task/1") is None
    with pytest.raises(FhirError, match="gone"):
        fhir.read("Task/1")


def test_if_none_exist_finds_by_identifier() -> None:
    observation = {"resourceType": "Observation", "id": "o", "identifier": [{"system": "s", "value": "v"}]}
    fhir = World(observation).fhir
    assert fhir.create_if_none_exist(observation, "identifier=s|v").existed
    assert not fhir.create_if_none_exist(observation, "identifier=s|w").existed


def test_everything_of_a_patient_is_what_names_it() -> None:
    def observation(id_: str, patient: str) -> dict:
        return {"resourceType": "Observation", "id": id_, "subject": {"reference": patient}}

    world = World({"resourceType": "Patient", "id": "a"}, observation("1", "Patient/a"), observation("2", "Patient/b"))
    assert [one["id"] for one in world.fhir.everything("Patient/a")] == ["a", "1"]
    with pytest.raises(FhirError, match="not-found"):
        list(world.fhir.everything("Patient/z"))


def test_what_a_bot_holds_is_not_the_worlds() -> None:
    world = World(task())
    world.fhir.read("Task/1")["status"] = "draft"
    assert world.resource("Task/1")["status"] == "ready"


def test_a_batch_answers_each_by_itself() -> None:
    found, absent, page = World(task()).fhir.batch(["Task/1", "Task/9", "Task?status=ready"])
    assert (found["id"], absent.code, page["total"]) == ("1", "not-found", 1)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (FhirError("not-found", "m"), Reject, "fhir-not-found"),
        (FhirError("unavailable", "m"), Retry, "fhir-unavailable"),
        (HttpError("later", "m", retry_after=timedelta(seconds=7)), Retry, "http-later"),
        (HttpError("not-allowed", "m"), Reject, "http-not-allowed"),
        (Refused("timer", "m"), Reject, "timer"),
    ],
)
def test_what_another_attempt_can_cure_is_a_retry(error: FhirError, kind: type, code: str) -> None:
    failure = error.as_failure()
    assert (type(failure), failure.code) == (kind, code)


def test_timers_outbox_settings_and_secrets() -> None:
    world = World(settings={"days": 3}, secrets={"token": "t", "key": None}, sign=lambda name, algorithm, data: data[::-1])
    world.timers.set("due", datetime(2026, 1, 2, 9, tzinfo=UTC), {"n": 1})
    world.timers.set("due", "2026-01-03T09:00:00Z", {"n": 2})
    assert (world.standing["due"].payload, world.standing["due"].at) == ({"n": 2}, "2026-01-03T09:00:00Z")
    with pytest.raises(Reject, match="zone"):
        world.timers.set("due", datetime(2026, 1, 2, 9))
    world.outbox.post_json("sms", "https://sms.example/", {})
    with pytest.raises(Refused):
        world.outbox.post_json("sms", "https://sms.example/", {})
    assert world.settings["days"] == 3
    assert "days" in world.settings
    assert "weeks" not in world.settings
    assert world.settings.get("weeks", 4) == 4
    with pytest.raises(Reject):
        world.settings["weeks"]
    assert world.secret("key").sign("hmac-sha256", b"ab") == b"ba"
    assert world.secret("token").expose() == "t"
    for refused in (world.secret("key").expose, world.secret("other").placeholder):
        with pytest.raises(Refused):
            refused()


def test_answers_from_outside() -> None:
    world = World(answer=lambda request: Response(200, {}, json.dumps({"asked": request.url}).encode()))
    assert world.http.get("https://a.example/").json() == {"asked": "https://a.example/"}
    assert world.asked == [Request("GET", "https://a.example/", {}, b"")]
    with pytest.raises(HttpError):
        World().http.get("https://a.example/")


def test_triggers_are_lifted_and_unknown_ones_kept() -> None:
    attributes = {"interaction": "update", "type": "Task", "id": "1", "version": "2", "previousVersion": "1"}
    assert triggers.of("change", attributes) == triggers.Change("update", "Task", "1", "2", "1")
    assert triggers.of("reply", {"key": "k", "status": None}) == triggers.Reply("k", None)
    assert triggers.of("tide", {"a": 1}) == triggers.Other("tide", {"a": 1})


def test_events() -> None:
    assert change(task()).resource["id"] == "1"
    assert timer("k", "2026-01-01T00:00:00Z", {"n": 1}).json() == {"n": 1}
    with pytest.raises(Reject) as rejected:
        _ = event(triggers.Invoke("me")).resource
    assert rejected.value.code == "no-resource"
    broken = invoke(None)
    broken.payload = Reply.text("{secret").payload
    with pytest.raises(Reject) as rejected:
        broken.json()
    assert "secret" not in rejected.value.message


def test_an_exceptions_words_are_in_the_log_and_not_the_message() -> None:
    def inner(people: dict) -> None:
        people["Ada Example"]

    try:
        inner({})
    except KeyError as error:
        root = __file__.rsplit("/", 1)[0]
        failure, told = failing.failure(error, root), failing.told(error, root)
    assert failure.message.startswith("KeyError at test_world.py:")
    assert "in inner < test_world.py:" in failure.message
    assert "Ada" not in failure.message
    assert failure.details is None
    assert told[0].startswith("Traceback") and told[-1] == "KeyError: 'Ada Example'"
    assert any(line.startswith('  File "test_world.py", line') and line.endswith("in inner") for line in told)


def test_of_a_deep_recursion_the_last_calls_are_shown() -> None:
    def deeper(depth: int) -> None:
        if depth == 0:
            raise ValueError("the ground")
        deeper(depth - 1)

    root = __file__.rsplit("/", 1)[0]
    for depth, cut in [(18, False), (300, True)]:
        try:
            deeper(depth)
        except ValueError as error:
            told, place = failing.told(error, root), failing.place(error, root)
        assert len(told) < 20 and told[-1] == "ValueError: the ground"
        assert (f"  [the last 20 of {depth + 2} calls]" == told[1]) is cut
        assert place.count(" in deeper") == 8


def test_log_lines_have_levels_and_no_breaks(capsys: pytest.CaptureFixture[str]) -> None:
    log.warn("a\nb")
    assert capsys.readouterr().out == "warn: a b\n"


def test_wrong_handlers_are_named() -> None:
    async def later(event: object, hob: object) -> None: ...

    assert "two arguments" in (what_is_wrong(lambda event: None) or "")
    assert "async" in (what_is_wrong(later) or "")
    assert what_is_wrong(lambda event, hob: None) is None
