import { type BotEvent, type MedplumClient } from "@medplum/core";
import type { Practitioner } from "@medplum/fhirtypes";

const NPI = "http://hl7.org/fhir/sid/us-npi";

/** Takes a directory's rows over: those that are known are renewed, others made. */
export async function handler(medplum: MedplumClient, event: BotEvent<{ npi: string; family: string }[]>): Promise<string[]> {
  const written: string[] = [];
  for (const { npi, family } of event.input) {
    const practitioner = await medplum.upsertResource<Practitioner>(
      { resourceType: "Practitioner", active: true, identifier: [{ system: NPI, value: npi }], name: [{ family }] },
      `identifier=${NPI}|${npi}`,
    );
    written.push(practitioner.name?.[0]?.family as string);
  }
  return written;
}
