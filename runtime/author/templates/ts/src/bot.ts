// Flags the patient of every stat task, once a task.

import { reject, type Event, type Host } from "@hob/sdk";

const SYSTEM = "https://example.org/stat-flag";

/** Runs on one event. What it writes is committed in one transaction when it returns. */
export function handle(event: Event, hob: Host): void {
  const task = event.require("Task");
  if (!task.for?.reference) throw reject("no-patient", "the task has no patient");
  const made = hob.fhir.createIfNoneExist(
    {
      resourceType: "Flag",
      identifier: [{ system: SYSTEM, value: task.id ?? "" }],
      status: "active",
      code: { text: "Has a stat task" },
      subject: { reference: task.for.reference },
    },
    `identifier=${SYSTEM}|${task.id}`,
  );
  console.log(made.existed ? "the task has its flag already" : "flagged");
}
