import { type BotEvent, createReference, deepEquals, type MedplumClient } from "@medplum/core";
import type { Patient, Task } from "@medplum/fhirtypes";

/** Asks for new papers where a patient has moved: compares with the version before. */
export async function handler(medplum: MedplumClient, event: BotEvent<Patient>): Promise<Task | undefined> {
  const patient = event.input;
  const history = await medplum.readHistory("Patient", patient.id as string);
  const before = history.entry?.[1]?.resource as Patient | undefined;
  if (!before || deepEquals(before.address, patient.address)) return undefined;
  const first = await medplum.readVersion("Patient", patient.id as string, before.meta?.versionId as string);
  return medplum.createResource<Task>({
    resourceType: "Task",
    status: "requested",
    intent: "order",
    code: { text: "Verify the new address" },
    for: createReference(patient),
    description: `${first.address?.[0]?.city} to ${patient.address?.[0]?.city}`,
  });
}
