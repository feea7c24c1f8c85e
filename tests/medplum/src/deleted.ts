import { type BotEvent, getReferenceString, type MedplumClient } from "@medplum/core";
import type { AuditEvent, Resource } from "@medplum/fhirtypes";

/** Keeps that something was deleted. */
export async function handler(medplum: MedplumClient, event: BotEvent<{ deletedResource: Resource }>): Promise<AuditEvent | undefined> {
  const deleted = event.input.deletedResource;
  if (!deleted) return undefined;
  return medplum.createResource<AuditEvent>({
    resourceType: "AuditEvent",
    type: { system: "http://terminology.hl7.org/CodeSystem/audit-event-type", code: "rest" },
    action: "D",
    recorded: new Date().toISOString(),
    agent: [{ requestor: false, who: event.bot as { reference: string } }],
    source: { observer: event.bot as { reference: string } },
    entity: [{ what: { reference: getReferenceString(deleted) }, name: deleted.resourceType }],
  });
}
