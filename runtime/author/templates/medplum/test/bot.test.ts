import type { BotEvent } from "@medplum/core";
import type { Task } from "@medplum/fhirtypes";
import { MockClient } from "@medplum/mock";
import { expect, test } from "vitest";
import { handler } from "../src/bot";

test("the flag is for the task's patient", async () => {
  const medplum = new MockClient();
  const task: Task = { resourceType: "Task", id: "t1", status: "ready", intent: "order", for: { reference: "Patient/ada" } };
  await handler(medplum, { input: task } as BotEvent<Task>);
  const flag = await medplum.searchOne("Flag");
  expect(flag?.subject.reference).toBe("Patient/ada");
});
