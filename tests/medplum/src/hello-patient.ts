import type { BotEvent, MedplumClient } from "@medplum/core";
import type { Patient } from "@medplum/fhirtypes";

/** Greets a patient in the log. */
export async function handler(_medplum: MedplumClient, event: BotEvent<Patient>): Promise<boolean> {
  const { given, family } = event.input.name?.[0] ?? {};
  console.log(`Hello ${given?.[0] ?? "somebody"} ${family ?? ""}!`);
  return true;
}
