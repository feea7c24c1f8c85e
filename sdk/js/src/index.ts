/**
 * Write Hob bots in TypeScript.
 *
 * A bot is one function over an event. What it asks of the world goes through [`Host`], so the same function runs in the sandbox and,
 * on `World` of `@hob/sdk/testing`, in a native unit test:
 *
 * ```ts
 * import { reject, type Event, type Host } from "@hob/sdk";
 *
 * export function handle(event: Event, hob: Host) {
 *   const task = event.require("Task");
 *   if (!task.for?.reference) throw reject("no-patient", "the task has no patient");
 *   hob.fhir.create({ resourceType: "Flag", status: "active", code: { text: "Has a task" }, subject: task.for });
 * }
 * ```
 *
 * Build it with `hob-componentize src/bot.ts`.
 */

import type { Event, Outcome } from "./event.js";
import type { Host } from "./host.js";

export { BotError, FhirError, HttpError, Refused, reject, retry, type Kind } from "./error.js";
export { json, text, type Event, type Outcome, type Payload, type Trigger } from "./event.js";
export { referenceOf, type Page, type Resource, type ResourceOf, type ResourceType } from "./fhir.js";
export type {
  Created,
  Fhir,
  Host,
  Http,
  Level,
  Message,
  Outbox,
  PatchOperation,
  Request,
  Response,
  Secret,
  Timers,
} from "./host.js";

/** What a bot's module exports, as `handle` or by default. */
export type Handler = (event: Event, hob: Host) => Outcome | Promise<Outcome>;
