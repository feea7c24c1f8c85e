import { type BotEvent, getReferenceString, type MedplumClient } from "@medplum/core";
import type { ServiceRequest } from "@medplum/fhirtypes";

/** Ends the open tasks of an order that was revoked. */
export async function handler(medplum: MedplumClient, event: BotEvent<ServiceRequest>): Promise<number> {
  const order = event.input;
  if (order.status !== "revoked") return 0;
  const tasks = await medplum.searchResources("Task", { focus: getReferenceString(order), "status:not": "completed" });
  await Promise.all(tasks.map((task) => medplum.updateResource({ ...task, status: "cancelled", statusReason: { text: "The order was revoked" } })));
  medplum.invalidateSearches("Task");
  return tasks.length;
}
