import { type BotEvent, createReference, formatHumanName, getDisplayString, type MedplumClient } from "@medplum/core";
import type { Communication, HumanName, Patient, Practitioner } from "@medplum/fhirtypes";

/** Has the patient's practitioner say welcome. */
export async function handler(medplum: MedplumClient, event: BotEvent<Patient>): Promise<Communication> {
  const patient = event.input;
  const [general] = patient.generalPractitioner ?? [];
  if (!general?.reference) throw new Error("the patient has no practitioner");
  const practitioner = await medplum.readReference<Practitioner>(general as { reference: string });
  const name = formatHumanName(patient.name?.[0] as HumanName);
  return medplum.createResource<Communication>({
    resourceType: "Communication",
    status: "in-progress",
    sender: createReference(practitioner),
    subject: createReference(patient),
    recipient: [createReference(patient)],
    payload: [{ contentString: `Welcome, ${name} — ${getDisplayString(practitioner)} (Zoë’s clinic) 👋` }],
  });
}
