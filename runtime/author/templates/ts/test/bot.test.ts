import { change, World } from "@hob/sdk/testing";
import { expect, test } from "vitest";
import { handle } from "../src/bot";

test("the flag is for the task's patient", () => {
  const world = new World();
  handle(change({ resourceType: "Task", id: "t1", status: "ready", intent: "order", for: { reference: "Patient/ada" } }), world.host);
  expect(world.resources("Flag")).toMatchObject([{ subject: { reference: "Patient/ada" } }]);
});
