import { describe, expect, test } from "vitest";
import { FhirError, type Event, type Host, reject, retry } from "../src/index.js";
import { change, event, invoke, timer, World } from "../src/testing.js";

const task = { resourceType: "Task", id: "1", status: "ready", intent: "order" } as const;

describe("World", () => {
  test("a write is seen and kept", () => {
    const world = new World().with(task);
    const { fhir } = world.host;
    const read = fhir.read("Task/1");
    expect(read.meta?.versionId).toBe("1");
    fhir.update({ ...read, status: "completed" });
    fhir.patch("Task/1", [{ op: "add", path: "/owner", value: { reference: "Practitioner/p" } }]);
    const created = fhir.create({ resourceType: "Flag", status: "active", code: {}, subject: {} });
    expect(fhir.read(created.reference)).toMatchObject({ status: "active" });
    expect(fhir.searchAll("Task", "status=completed&owner=Practitioner/p")).toHaveLength(1);
    expect(world.staged.map((it) => Object.keys(it)[0])).toEqual(["update", "update", "create"]);
    fhir.delete("Task/1");
    expect(fhir.find("Task/1")).toBeUndefined();
    expect(fhir.history("Task/1").bundle.entry).toHaveLength(4);
    expect(() => fhir.read("Task/1")).toThrow(FhirError);
  });

  test("an update of what is equal stages nothing", () => {
    const world = new World().with(task);
    world.host.fhir.update(world.host.fhir.read("Task/1"));
    expect(world.staged).toEqual([]);
  });

  test("if-none-exist finds by identifier", () => {
    const observation = { resourceType: "Observation", id: "o", status: "final", code: {}, identifier: [{ system: "s", value: "v" }] } as const;
    const { fhir } = new World().with(observation as never).host;
    expect(fhir.createIfNoneExist(observation as never, "identifier=s|v").existed).toBe(true);
    expect(fhir.createIfNoneExist(observation as never, "identifier=s|w").existed).toBe(false);
  });

  test("everything of a patient is what names it", () => {
    const { fhir } = new World()
      .with({ resourceType: "Patient", id: "a" })
      .with({ ...task, for: { reference: "Patient/a" } })
      .with({ ...task, id: "2", for: { reference: "Patient/b" } }).host;
    expect(fhir.everything("Patient/a").matches.map((it) => it.id)).toEqual(["a", "1"]);
  });

  test("a search that it does not know is an error", () => {
    const { fhir } = new World().host;
    expect(() => fhir.search("Task", "_has:Observation:x=y")).toThrow("searchWith");
    const world = new World().searchWith((type) => (type === "Task" ? [task] : undefined));
    expect(world.host.fhir.searchAll("Task", "_has:Observation:x=y")).toHaveLength(1);
  });

  test("patches are RFC 6902", () => {
    const { fhir } = new World().with({ resourceType: "Patient", id: "a", name: [{ given: ["A", "B"] }] }).host;
    fhir.patch("Patient/a", [
      { op: "test", path: "/name/0/given/1", value: "B" },
      { op: "remove", path: "/name/0/given/0" },
      { op: "add", path: "/name/0/given/-", value: "C" },
      { op: "copy", from: "/name/0/given/0", path: "/name/0/family" },
      { op: "move", from: "/name/0/given/1", path: "/gender" },
    ]);
    expect(fhir.read("Patient/a")).toMatchObject({ name: [{ given: ["B"], family: "B" }], gender: "C" });
    expect(() => fhir.patch("Patient/a", [{ op: "remove", path: "/no/where" }])).toThrow("does not apply");
  });

  test("timers, outbox, settings and secrets are kept by name", () => {
    const world = new World().withSetting("days", 3).withSecret("token", "t").withSecret("key");
    const { timers, outbox, settings, secret, http } = world.host;
    timers.set("due", new Date("2026-01-02T09:00:00Z"), { n: 1 });
    expect(world.timers.get("due")).toEqual({ at: "2026-01-02T09:00:00.000Z", payload: { n: 1 } });
    timers.cancel("due");
    expect(world.timers.size).toBe(0);
    outbox.postJson("mail", "https://a.example", { a: 1 });
    expect(() => outbox.postJson("mail", "https://a.example", {})).toThrow("taken");
    expect(settings.get("days")).toBe(3);
    expect(() => settings.get("weeks")).toThrow("not set");
    expect(secret("token").expose()).toBe("t");
    expect(() => secret("key").expose()).toThrow("not exposed");
    expect(() => http.get("https://a.example")).toThrow("allows no requests");
  });
});

describe("events", () => {
  test("require gives the type that is asked for", () => {
    expect(change(task).require("Task").status).toBe("ready");
    expect(() => change(task).require("Patient")).toThrow("not a Patient");
    expect(() => event({ kind: "invoke", requester: "a" }).require("Patient")).toThrow("without its resource");
  });

  test("payloads are read as text and JSON", () => {
    expect(invoke({ a: 1 }).json<{ a: number }>().a).toBe(1);
    expect(timer("k", "2026-01-01T00:00:00Z", [1]).text()).toBe("[1]");
    expect(change(task).json()).toEqual(task);
    expect(() => event({ kind: "cron", schedule: "0 0 9 * * *", at: "2026-01-01T09:00:00Z" }).json()).toThrow("without a payload");
  });
});

test("errors say whether to try again", () => {
  expect(retry("a", "b", { retryAfterMs: 5 })).toMatchObject({ kind: "retry", code: "a", retryAfterMs: 5 });
  expect(reject("a", "b").kind).toBe("reject");
  expect(new FhirError("not-found", "x")).toMatchObject({ kind: "reject", code: "fhir-not-found", isAbsent: true });
  expect(new FhirError("unavailable", "x").kind).toBe("retry");
});

test("a handler's types are those of the package", () => {
  const handle = (given: Event, hob: Host): void => hob.log("info", given.id);
  const world = new World();
  handle(change(task), world.host);
  expect(world.lines).toEqual([{ level: "info", text: "evt_test" }]);
});
