import { type BotEvent, type MedplumClient, resolveId } from "@medplum/core";
import type { Basic, Patient } from "@medplum/fhirtypes";

/** Makes an invitation whose link has a token in it. */
export async function handler(medplum: MedplumClient, event: BotEvent<Patient>): Promise<Basic> {
  const token = crypto.randomUUID();
  const link = new URL("https://portal.example.org/join?lang=en");
  const parameters = new URLSearchParams(link.search);
  parameters.append("token", token);
  parameters.append("for", "Zoë & co");
  link.search = parameters.toString();
  const bytes = new TextEncoder().encode("Zoë");
  const encoded = btoa(String.fromCharCode(...bytes));
  const decoded = new TextDecoder().decode(Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0)));
  const random = crypto.getRandomValues(new Uint8Array(8));
  if (decoded !== "Zoë" || random.every((byte) => byte === 0)) throw new Error("the codecs are wrong");
  return medplum.createResource<Basic>({
    resourceType: "Basic",
    code: { text: `invitation of ${resolveId({ reference: `Patient/${event.input.id}` })}` },
    identifier: [{ system: "https://example.org/invitation", value: token }],
    extension: [
      { url: "https://example.org/link", valueUrl: link.toString() },
      { url: "https://example.org/name", valueString: encoded },
      { url: "https://example.org/host", valueString: `${link.host} ${link.pathname} ${link.searchParams.get("for")}` },
    ],
  });
}
