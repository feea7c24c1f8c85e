import { change, World } from "@hob/sdk/testing";
import { expect, test } from "vitest";
import { handle } from "../src/bot";

const task = { resourceType: "Task", id: "1", status: "ready", intent: "order", priority: "stat" } as const;

test("a stat task flags its patient once", () => {
  const world = new World().with({ resourceType: "Patient", id: "a" });
  const event = () => change({ ...task, for: { reference: "Patient/a" } });
  handle(event(), world.host);
  handle(event(), world.host);
  expect(world.resources("Flag")).toMatchObject([{ subject: { reference: "Patient/a" } }]);
  expect([...world.timers.keys()]).toEqual(["due-1"]);
});

test("a task without a patient is rejected", () => {
  expect(() => handle(change(task), new World().host)).toThrow("no patient");
});
