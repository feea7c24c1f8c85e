import { type Event, type Host, reject } from "@hob/sdk";

const SYSTEM = "https://example.org/stat-flag";

/** Flags the patient of every stat task, once a task, and looks again an hour before it is due. */
export function handle(event: Event, hob: Host): void {
  const task = event.require("Task");
  if (!task.for?.reference) throw reject("no-patient", "the task has no patient");
  const created = hob.fhir.createIfNoneExist(
    {
      resourceType: "Flag",
      status: "active",
      code: { text: task.description ?? "Has a stat task" },
      subject: { reference: task.for.reference },
      identifier: [{ system: SYSTEM, value: task.id ?? "" }],
    },
    `identifier=${SYSTEM}|${task.id}`,
  );
  const end = task.restriction?.period?.end ?? hob.now().toISOString();
  hob.timers.set(`due-${task.id}`, `${end.slice(0, 10)}T08:00:00Z`, { flag: created.reference });
}
