import { type BotEvent, createReference, type MedplumClient } from "@medplum/core";
import type { DocumentReference, Patient } from "@medplum/fhirtypes";

/** Writes a letter as a Binary, and a document that points to it. */
export async function handler(medplum: MedplumClient, event: BotEvent<Patient>): Promise<DocumentReference> {
  const text = `Dear ${event.input.name?.[0]?.family},\nyour résumé is ready.`;
  const binary = await medplum.createBinary({ data: new TextEncoder().encode(text), filename: "letter.txt", contentType: "text/plain" });
  return medplum.createResource<DocumentReference>({
    resourceType: "DocumentReference",
    status: "current",
    subject: createReference(event.input),
    content: [
      {
        attachment: {
          contentType: "text/plain",
          url: `Binary/${binary.id}`,
          size: Buffer.byteLength(text),
          hash: Buffer.from(btoa("letter")).toString("base64"),
        },
      },
    ],
  });
}
