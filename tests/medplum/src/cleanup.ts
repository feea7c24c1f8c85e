import { type BotEvent, type MedplumClient } from "@medplum/core";
import type { Communication } from "@medplum/fhirtypes";

/** Deletes drafts, and leaves one record of how many there were. */
export async function handler(medplum: MedplumClient, _event: BotEvent): Promise<{ deleted: number }> {
  const drafts = await medplum.searchResources("Communication", "status=preparation&_count=20&_sort=_id");
  for (const draft of drafts) await medplum.deleteResource("Communication", draft.id as string);
  medplum.invalidateSearches("Communication");
  const left = await medplum.searchResources("Communication", "status=preparation&_count=20");
  if (left.length > 0) throw new Error("a draft is left");
  await medplum.createResource<Communication>({ resourceType: "Communication", status: "completed", note: [{ text: `${drafts.length} drafts were deleted` }] });
  return { deleted: drafts.length };
}
