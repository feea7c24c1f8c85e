import { type BotEvent, getReferenceString, type MedplumClient } from "@medplum/core";
import type { Patient, RiskAssessment } from "@medplum/fhirtypes";

/** Finds patients who may be this one, links them, and asks for a look at each pair. */
export async function handler(medplum: MedplumClient, event: BotEvent<Patient>): Promise<RiskAssessment[]> {
  const patient = event.input;
  const candidates = await medplum.searchResources("Patient", {
    birthdate: patient.birthDate as string,
    family: patient.name?.[0]?.family as string,
    _sort: "_id",
  });
  const found: RiskAssessment[] = [];
  for (const candidate of candidates.filter((other) => other.id !== patient.id)) {
    await medplum.patchResource("Patient", candidate.id as string, [
      { op: "test", path: "/id", value: candidate.id },
      { op: "add", path: "/link", value: [{ type: "seealso", other: { reference: getReferenceString(patient) } }] },
    ]);
    found.push(
      await medplum.createResource<RiskAssessment>({
        resourceType: "RiskAssessment",
        status: "preliminary",
        subject: { reference: getReferenceString(patient) },
        basis: [{ reference: getReferenceString(candidate) }],
        prediction: [{ outcome: { text: "The same person" }, probabilityDecimal: 0.8 }],
      }),
    );
  }
  return found;
}
