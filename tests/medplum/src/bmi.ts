import { type BotEvent, createReference, LOINC, type MedplumClient, UCUM } from "@medplum/core";
import type { Observation, Patient } from "@medplum/fhirtypes";

const HEIGHT = "8302-2";
const WEIGHT = "29463-7";
const BMI = "39156-5";

/** Works out the body mass index of the last height and weight: two searches and a create. */
export async function handler(medplum: MedplumClient, event: BotEvent<Patient>): Promise<Observation | undefined> {
  const subject = `Patient/${event.input.id}`;
  const last = async (code: string): Promise<number | undefined> => {
    const found = await medplum.searchResources("Observation", { subject, code: `${LOINC}|${code}`, _count: 20 });
    const [newest] = found.toSorted((a, b) => (b.effectiveDateTime ?? "").localeCompare(a.effectiveDateTime ?? ""));
    return newest?.valueQuantity?.value;
  };
  const [height, weight] = [await last(HEIGHT), await last(WEIGHT)];
  if (!height || !weight) return undefined;
  const value = Math.round((weight / (height / 100) ** 2) * 10) / 10;
  return medplum.createResource<Observation>({
    resourceType: "Observation",
    status: "final",
    code: { coding: [{ system: LOINC, code: BMI, display: "Body mass index" }] },
    subject: createReference(event.input),
    valueQuantity: { value, unit: "kg/m2", system: UCUM, code: "kg/m2" },
  });
}
