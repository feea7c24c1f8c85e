import { type BotEvent, createReference, isNotFound, type MedplumClient, normalizeOperationOutcome, sleep } from "@medplum/core";
import type { Encounter, Patient, Practitioner, Task } from "@medplum/fhirtypes";

/** After an encounter: a task for the practitioner, due in a week; waits a little, as its authors were wont to. */
export async function handler(medplum: MedplumClient, event: BotEvent<Encounter>): Promise<Task> {
  const encounter = event.input;
  await new Promise((resolve) => setTimeout(resolve, 50));
  const [patient, practitioner] = await Promise.all([
    medplum.readReference<Patient>(encounter.subject as { reference: string }),
    medplum.readReference<Practitioner>(encounter.participant?.[0]?.individual as { reference: string }),
  ]);
  try {
    await medplum.readResource("Location", "gone-by-now");
  } catch (error) {
    if (!isNotFound(normalizeOperationOutcome(error))) throw error;
    await sleep(10);
  }
  const due = new Date(encounter.period?.end as string);
  due.setDate(due.getDate() + 7);
  const task = await medplum.createResource<Task>({
    resourceType: "Task",
    status: "requested",
    intent: "plan",
    for: createReference(patient),
    owner: createReference(practitioner),
    encounter: createReference(encounter),
    restriction: { period: { end: due.toISOString() } },
  });
  const patched = await medplum.patchResource("Task", task.id as string, [{ op: "add", path: "/priority", value: "routine" }]);
  await medplum.updateResource({ ...encounter, status: "finished" });
  return patched;
}
