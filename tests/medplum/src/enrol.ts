import { type BotEvent, type MedplumClient } from "@medplum/core";
import type { Bundle, BundleEntry, Patient } from "@medplum/fhirtypes";

/** Enrols a family in one transaction, whose entries refer to each other. */
export async function handler(medplum: MedplumClient, event: BotEvent<{ family: string; members: string[] }>): Promise<{ statuses: (string | undefined)[] }> {
  const { family, members } = event.input;
  const urn = (name: string) => `urn:uuid:00000000-0000-4000-8000-${Buffer.from(name.padEnd(6, "_").slice(0, 6)).toString("hex")}`;
  const people = members.map(
    (name): BundleEntry => ({
      fullUrl: urn(name),
      request: { method: "POST", url: "Patient", ifNoneExist: `identifier=https://example.org/family|${family}-${name}` },
      resource: {
        resourceType: "Patient",
        identifier: [{ system: "https://example.org/family", value: `${family}-${name}` }],
        name: [{ family, given: [name] }],
        link: members.filter((other) => other < name).map((other) => ({ type: "seealso", other: { reference: urn(other) } })),
      } as Patient,
    }),
  );
  const account: BundleEntry = {
    fullUrl: urn("accnt"),
    request: { method: "POST", url: "Account" },
    resource: { resourceType: "Account", status: "active", name: family, subject: members.map((name) => ({ reference: urn(name) })) },
  };
  const bundle: Bundle = { resourceType: "Bundle", type: "transaction", entry: [account, ...people] };
  const answer = await medplum.executeBatch(bundle);
  return { statuses: answer.entry?.map((entry) => entry.response?.status) ?? [] };
}
