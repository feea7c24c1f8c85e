import { createHmac, timingSafeEqual } from "node:crypto";
import { badRequest, type BotEvent, type MedplumClient, OperationOutcomeError } from "@medplum/core";
import type { Communication } from "@medplum/fhirtypes";

/** A webhook of somebody who signs: what is not signed as it must be is refused. */
export async function handler(medplum: MedplumClient, event: BotEvent<{ body: string; signature: string }>): Promise<Communication> {
  const { body, signature } = event.input;
  const expected = createHmac("sha256", event.secrets["WEBHOOK_KEY"]?.valueString as string).update(body).digest();
  if (!timingSafeEqual(expected, Buffer.from(signature, "hex"))) throw new OperationOutcomeError(badRequest("the signature is wrong"));
  return medplum.createResource<Communication>({
    resourceType: "Communication",
    status: "completed",
    payload: [{ contentString: JSON.parse(body).text }],
  });
}
