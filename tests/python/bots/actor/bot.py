"""Does what its input says: a list of steps, each a name and arguments. Answers what each step answered."""

import datetime
import logging
import random
import time
import uuid
from zoneinfo import ZoneInfo

import parts.deep
from hob_sdk import Event, FhirError, Host, Message, Outcome, Refused, Reject, Reply, Retry, bot, log

COUNTER = [0]


def machine() -> dict:
    """What of the machine a bot can see."""
    return {
        "random": [random.random() for _ in range(3)],
        "shuffled": random.sample(range(20), 20),
        "system": random.SystemRandom().random(),
        "uuid": [str(uuid.uuid4()), str(uuid.uuid1())],
        "now": [datetime.datetime.now().isoformat(), datetime.datetime.now(datetime.UTC).isoformat()],
        "time": [time.time(), time.monotonic(), time.perf_counter_ns()],
        "hash": hash("patient"),
        "set": list({f"Patient/{number}" for number in range(40)}),
        "id": id(object()),
    }


def step(name: str, args: list, event: Event, hob: Host) -> object:
    fhir = hob.fhir
    match name:
        case "machine":
            return machine()
        case "count":
            COUNTER[0] += 1
            return COUNTER[0]
        case "zone":
            return datetime.datetime.fromisoformat(args[0]).astimezone(ZoneInfo(args[1])).isoformat()
        case "late":
            import decimal

            from parts import later

            return later.twice(str(decimal.Decimal("1.10") + decimal.Decimal("2.20")))
        case "event":
            return [event.id, event.tenant, event.source, str(event.trigger), event.attempt, event.hop]
        case "resource":
            return [event.resource["id"], event.document.get("/status"), event.document.fhirpath("Task.status")]
        case "read":
            return fhir.read(args[0])
        case "find":
            return fhir.find(args[0])
        case "vread":
            return fhir.vread(*args)
        case "history":
            return len(fhir.history(args[0]).bundle["entry"])
        case "search":
            return [one["id"] for one in fhir.search_all(*args)]
        case "everything":
            return [one["id"] for one in fhir.everything(*args)]
        case "batch":
            return [one.code if isinstance(one, FhirError) else one["resourceType"] for one in fhir.batch(args)]
        case "create":
            return fhir.create(args[0]).is_final
        case "create-if":
            return fhir.create_if_none_exist(*args).existed
        case "update":
            return fhir.update(args[0])
        case "patch":
            return fhir.patch(*args)
        case "delete":
            return fhir.delete(args[0])
        case "guard":
            return fhir.guard(fhir.read(args[0]))
        case "timer":
            return hob.timers.set(args[0], hob.now().replace(microsecond=0) + datetime.timedelta(hours=1), {"n": 1})
        case "cancel":
            return hob.timers.cancel(args[0])
        case "send":
            token = hob.secret("TOKEN").placeholder()
            return hob.outbox.send(Message(args[0], "POST", "https://sms.example/v1/send", {"authorization": token}, b"hi"))
        case "ask":
            answer = hob.http.post_json("https://sms.example/v1/number", args[0])
            return [answer.status, answer.json()]
        case "outside":
            return hob.http.get(args[0]).status
        case "setting":
            return [hob.settings["days"], hob.settings.get("weeks", "none")]
        case "sign":
            return hob.secret("KEY").sign("hmac-sha256", args[0].encode()).hex()
        case "expose":
            return len(hob.secret(args[0]).expose()) > 0
        case "fhirpath":
            return hob.fhirpath(args[0], args[1])
        case "print":
            print(args[0])
            log.debug("for the author")
            logging.getLogger("lib").warning("of %s", "logging")
            return None
        case "raise":
            return parts.deep.fall(args[0])
        case "refused":
            raise Refused("timer", args[0])
        case "reject":
            raise Reject("no", args[0], details={"more": args[0]})
        case "retry":
            raise Retry("later", args[0], after=datetime.timedelta(seconds=5))
        case "exit":
            raise SystemExit(3)
        case "loop":
            print("before")
            while True:
                pass
        case "recurse":
            return step(name, args, event, hob)
        case "hog":
            return len(bytearray(200 << 20))
    raise Reject("no-step", name)


@bot
def handle(event: Event, hob: Host) -> Outcome:
    steps = event.json() if event.payload and event.payload.content_type == "application/json" else [["event"], ["resource"]]
    answers = [step(name, args, event, hob) for name, *args in steps]
    return {"not": "an outcome"} if answers == ["no-step"] else Reply.json(answers)
