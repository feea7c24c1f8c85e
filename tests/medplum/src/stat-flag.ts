import { type BotEvent, createReference, getReferenceString, type MedplumClient } from "@medplum/core";
import type { Flag, Patient, Task } from "@medplum/fhirtypes";

const SYSTEM = "https://example.org/stat-flag";

/** Flags the patient of a stat task, once a task. */
export async function handler(medplum: MedplumClient, event: BotEvent<Task>): Promise<Flag | undefined> {
  const task = event.input;
  if (task.priority !== "stat" || !task.for) return undefined;
  const patient = await medplum.readReference<Patient>(task.for as { reference: string });
  return medplum.createResourceIfNoneExist<Flag>(
    {
      resourceType: "Flag",
      status: "active",
      code: { text: `Stat: ${task.description ?? getReferenceString(task)}` },
      subject: createReference(patient),
      identifier: [{ system: SYSTEM, value: task.id as string }],
    },
    `identifier=${SYSTEM}|${task.id}`,
  );
}
