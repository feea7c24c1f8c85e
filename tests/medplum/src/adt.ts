import { type BotEvent, type Hl7Message, type MedplumClient } from "@medplum/core";
import type { Patient } from "@medplum/fhirtypes";

const MRN = "urn:oid:2.16.840.1.113883.3.9999.1";

/** An admission: makes or renews the patient, and acknowledges. */
export async function handler(medplum: MedplumClient, event: BotEvent<Hl7Message>): Promise<Hl7Message> {
  const message = event.input;
  const pid = message.getSegment("PID");
  if (!pid) throw new Error("the message has no PID");
  const mrn = pid.getComponent(3, 1);
  const details: Patient = {
    resourceType: "Patient",
    identifier: [{ system: MRN, value: mrn }],
    name: [{ family: pid.getComponent(5, 1), given: [pid.getComponent(5, 2)] }],
    birthDate: pid.getComponent(7, 1).replace(/^(\d{4})(\d\d)(\d\d).*/, "$1-$2-$3"),
    gender: pid.getComponent(8, 1) === "F" ? "female" : "male",
  };
  const existing = await medplum.searchOne("Patient", { identifier: `${MRN}|${mrn}` });
  if (existing) await medplum.updateResource({ ...existing, ...details });
  else await medplum.createResource(details);
  return message.buildAck();
}
