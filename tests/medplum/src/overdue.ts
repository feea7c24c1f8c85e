import { type BotEvent, type MedplumClient } from "@medplum/core";
import type { Bot, Task } from "@medplum/fhirtypes";

/** Every morning: makes tasks urgent that are past their time. */
export async function handler(medplum: MedplumClient, event: BotEvent<Bot>): Promise<number> {
  if (event.input.resourceType !== "Bot") throw new Error("a cron gives the bot");
  const now = new Date();
  let urgent = 0;
  for await (const page of medplum.searchResourcePages("Task", { status: "requested", _sort: "_id" })) {
    for (const task of page as Task[]) {
      const end = task.restriction?.period?.end;
      if (!end || new Date(end) > now) continue;
      await medplum.updateResource({ ...task, priority: "urgent", note: [...(task.note ?? []), { text: `overdue at ${now.toISOString()}` }] });
      urgent += 1;
    }
  }
  return urgent;
}
