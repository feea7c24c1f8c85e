import { type BotEvent, type MedplumClient } from "@medplum/core";
import type { Bundle, Patient } from "@medplum/fhirtypes";

/** Reads at once what a page shows; what is not there is no reason to fail. */
export async function handler(medplum: MedplumClient, event: BotEvent<{ patient: string }>): Promise<Record<string, unknown>> {
  const { patient } = event.input;
  const batch: Bundle = {
    resourceType: "Bundle",
    type: "batch",
    entry: [
      { request: { method: "GET", url: patient } },
      { request: { method: "GET", url: `Condition?subject=${patient}&_count=10` } },
      { request: { method: "GET", url: "Practitioner/nobody" } },
    ],
  };
  const [person, conditions, nobody] = (await medplum.executeBatch(batch)).entry ?? [];
  return {
    name: (person?.resource as Patient)?.name?.[0]?.family,
    conditions: (conditions?.resource as Bundle)?.entry?.length ?? 0,
    nobody: nobody?.response?.status,
  };
}
