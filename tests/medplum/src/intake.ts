import { type BotEvent, createReference, getQuestionnaireAnswers, type MedplumClient } from "@medplum/core";
import type { Observation, Patient, QuestionnaireResponse } from "@medplum/fhirtypes";

/** An intake form: puts the answers into the patient and an observation. */
export async function handler(medplum: MedplumClient, event: BotEvent<QuestionnaireResponse>): Promise<Patient> {
  const response = event.input;
  const answers = getQuestionnaireAnswers(response);
  const patient = await medplum.readReference<Patient>(response.subject as { reference: string });
  const updated = await medplum.updateResource<Patient>({
    ...patient,
    telecom: [...(patient.telecom ?? []), { system: "phone", value: answers["phone"]?.valueString as string }],
  });
  await medplum.createResource<Observation>({
    resourceType: "Observation",
    status: "final",
    code: { coding: [{ system: "http://loinc.org", code: "72166-2", display: "Tobacco smoking status" }] },
    subject: createReference(updated),
    valueBoolean: answers["smoker"]?.valueBoolean ?? false,
    derivedFrom: [createReference(response)],
  });
  return updated;
}
