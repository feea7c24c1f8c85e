// Flags the patient of every stat task, once a task. It is a bot as Medplum runs it, on the real client of @medplum/core.

import type { BotEvent, MedplumClient } from "@medplum/core";
import type { Flag, Task } from "@medplum/fhirtypes";

const SYSTEM = "https://example.org/stat-flag";

export async function handler(medplum: MedplumClient, event: BotEvent<Task>): Promise<void> {
  const task = event.input;
  if (!task.for?.reference) throw new Error("the task has no patient");
  await medplum.createResourceIfNoneExist<Flag>(
    {
      resourceType: "Flag",
      identifier: [{ system: SYSTEM, value: task.id }],
      status: "active",
      code: { text: "Has a stat task" },
      subject: { reference: task.for.reference },
    } as Flag,
    `identifier=${SYSTEM}|${task.id}`,
  );
  console.log("the task has its flag");
}
