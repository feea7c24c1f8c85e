import { type BotEvent, type MedplumClient } from "@medplum/core";
import type { Patient } from "@medplum/fhirtypes";

/** Mails a patient. */
export async function handler(medplum: MedplumClient, event: BotEvent<Patient>): Promise<boolean> {
  const to = event.input.telecom?.find((point) => point.system === "email")?.value;
  if (!to) return false;
  await medplum.sendEmail({ to, subject: "Your results", text: "They are in the portal." });
  await medplum.updateResource({ ...event.input, extension: [{ url: "https://example.org/mailed", valueDateTime: new Date().toISOString() }] });
  return true;
}
