/** The component's `handle`: lifts the event, runs the bot's function to its end, and says what came of it in the contract's words. */

import type { Document } from "hob:bot/document";
import { BotError } from "../error.js";
import { type EventFields, isPayload, json, type Payload, triggerOf } from "../event.js";
import type { Resource } from "../fhir.js";
import { log } from "./console.js";
import { valueOf } from "./contract.js";
import { onUnhandled, settle } from "./loop.js";
import { framesOf, placeOf } from "./positions.js";

/** The event as the contract has it. */
export interface WitEvent {
  id: string;
  run: string;
  tenant: string;
  source: string | null;
  trigger: string;
  occurred: string | null;
  received: string;
  deadline: string;
  attempt: number;
  hop: number;
  attributes: string;
  payload: Payload | null;
  resource: Document | null;
}

interface WitFailure {
  kind: string;
  code: string;
  message: string;
  retryAfterMs: number | null;
  details: string | null;
}

/** The event's fields. Its resource is parsed when somebody looks. */
export function fieldsOf(raw: WitEvent): EventFields {
  let resource: Resource | undefined;
  let parsed = raw.resource === null;
  return {
    id: raw.id,
    run: raw.run,
    tenant: raw.tenant,
    source: raw.source ?? undefined,
    trigger: triggerOf(raw.trigger, JSON.parse(raw.attributes) as Record<string, unknown>),
    occurred: raw.occurred ?? undefined,
    received: raw.received,
    deadline: raw.deadline,
    attempt: raw.attempt,
    hop: raw.hop,
    payload: raw.payload ?? undefined,
    get resource() {
      if (!parsed) {
        resource = valueOf(raw.resource as Document) as Resource;
        parsed = true;
      }
      return resource;
    },
  };
}

function failureOf(error: unknown, calledFrom: () => string[]): WitFailure {
  const thrown = framesOf((error as { stack?: string } | undefined)?.stack);
  const frames = thrown.length > 0 ? thrown : calledFrom();
  const [at] = frames.map(placeOf);
  if (error instanceof BotError) {
    // What the host refused is an error; what the bot itself says is not.
    if (frames.length > 0) log(error.constructor === BotError ? "debug" : "error", `${error.code} was thrown at ${frames.join(", ")}`);
    return {
      kind: error.kind,
      code: error.code,
      message: error.message,
      retryAfterMs: error.retryAfterMs ?? null,
      details: error.details === undefined ? null : JSON.stringify(error.details),
    };
  }
  const what = error instanceof Error ? `${error.name}: ${error.message}` : `a ${typeof error} was thrown that is no Error`;
  const cause = error instanceof Error && error.cause instanceof Error ? ` (caused by ${error.cause.name}: ${error.cause.message})` : "";
  log("error", `${what}${cause}${frames.length > 0 ? ` at ${frames.join(", ")}` : ""}`);
  return { kind: "retry", code: "exception", message: at ? `${what}, at ${at}` : what, retryAfterMs: null, details: null };
}

/**
 * Makes the component's export of a function over the raw event. `classify` may give an error of a library a kind and a code; `calledFrom` has the frames
 * that stand for those of an error with none of the author's.
 */
export function serve(
  run: (raw: WitEvent) => unknown,
  classify: (error: unknown) => unknown = (error) => error,
  calledFrom: () => string[] = () => [],
): (raw: WitEvent) => Payload | null {
  onUnhandled((error) => log("warn", `a promise was rejected and nobody looked: ${failureOf(classify(error), () => []).message}`));
  return (raw) => {
    try {
      const outcome = settle(run(raw));
      if (outcome === undefined || outcome === null) return null;
      return isPayload(outcome) ? { contentType: outcome.contentType, body: outcome.body } : json(outcome);
    } catch (error) {
      // What is thrown and no Error is the contract's `failure`.
      throw failureOf(classify(error), calledFrom);
    }
  };
}
