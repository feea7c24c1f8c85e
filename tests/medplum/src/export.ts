import { type BotEvent, type MedplumClient } from "@medplum/core";
import type { Patient, Provenance } from "@medplum/fhirtypes";

/** Keeps that all of a patient was exported, by types. */
export async function handler(medplum: MedplumClient, event: BotEvent<Patient>): Promise<Provenance> {
  const everything = await medplum.readPatientEverything(event.input.id as string);
  const references = (everything.entry ?? []).map((entry) => `${entry.resource?.resourceType}/${entry.resource?.id}`).sort();
  return medplum.createResource<Provenance>({
    resourceType: "Provenance",
    recorded: new Date().toISOString(),
    agent: [{ who: { display: "export" } }],
    target: references.map((reference) => ({ reference })),
  });
}
