/** What a bot is given and what it answers. */

import { reject } from "./error.js";
import type { Resource, ResourceOf, ResourceType } from "./fhir.js";

/** Why the bot is run. A bot must expect kinds that it does not know. */
export type Trigger =
  | {
      kind: "change";
      /** `create`, `update` or `delete`. */
      interaction: string;
      type: string;
      id: string;
      version: string;
      previousVersion?: string | undefined;
    }
  | { kind: "cron"; schedule: string; at: string }
  | { kind: "timer"; key: string; due: string }
  | { kind: "invoke"; requester: string }
  | { kind: "reply"; key: string; status?: number | undefined }
  | { kind: "other"; word: string; attributes: Record<string, unknown> };

/** Bytes and what they are. */
export interface Payload {
  /** A media type. */
  contentType: string;
  body: Uint8Array;
}

/** What an event is made of; [`Event`] adds what reads well in a bot. */
export interface EventFields {
  /** `evt_…`: the same for every delivery and attempt. */
  readonly id: string;
  /** `run_…`: this bot on this event. */
  readonly run: string;
  /** The clinic. */
  readonly tenant: string;
  /** The FHIR server that reads and writes go to. */
  readonly source?: string | undefined;
  readonly trigger: Trigger;
  /** When it happened by the source's clock, RFC 3339, where known. */
  readonly occurred?: string | undefined;
  /** When Hob had it on disk, RFC 3339. */
  readonly received: string;
  /** When this attempt will be stopped, RFC 3339. */
  readonly deadline: string;
  /** Counted from 1. */
  readonly attempt: number;
  /** How many bots' writes lie between this event and one from outside. */
  readonly hop: number;
  /** The payload, up to 1 MiB. */
  readonly payload?: Payload | undefined;
  /** The resource of a change at its version (for a delete: the last content before it, where known). */
  readonly resource?: Resource | undefined;
}

/** What the bot is run on. */
export interface Event extends EventFields {
  /** The event's resource, of this type. Rejects with `no-resource` where there is none, with `other-type` where it is another. */
  require<K extends ResourceType>(type: K): ResourceOf<K>;
  /** The payload as text. Rejects with `no-payload`. */
  text(): string;
  /** The payload as JSON. Rejects with `no-payload` or `json`. */
  json<T>(): T;
}

/** What a bot answers when it has handled an event: nothing, or something for who asked. What is no payload is sent as JSON. */
export type Outcome = void | undefined | null | Payload | { [key: string]: unknown } | unknown[];

/** A payload of JSON. */
export function json(value: unknown): Payload {
  return { contentType: "application/json", body: new TextEncoder().encode(JSON.stringify(value)) };
}

/** A payload of plain text. */
export function text(value: string): Payload {
  return { contentType: "text/plain; charset=utf-8", body: new TextEncoder().encode(value) };
}

/** Whether an answer is a payload already. */
export function isPayload(value: unknown): value is Payload {
  const it = value as Payload | null;
  return typeof it === "object" && it !== null && typeof it.contentType === "string" && it.body instanceof Uint8Array;
}

/** From the contract's word and attributes. */
export function triggerOf(word: string, attributes: Record<string, unknown>): Trigger {
  switch (word) {
    case "change":
    case "cron":
    case "timer":
    case "invoke":
    case "reply":
      return { ...attributes, kind: word } as unknown as Trigger;
    default:
      return { kind: "other", word, attributes };
  }
}

/** An event with its helpers. `fields` may have getters, which are left alone until somebody looks. */
export function eventOf(fields: EventFields): Event {
  const helpers = {
    require(type: string) {
      const resource = fields.resource;
      if (!resource) throw reject("no-resource", "the event came without its resource");
      if (resource.resourceType !== type) throw reject("other-type", `the event's resource is a ${resource.resourceType}, not a ${type}`);
      return resource;
    },
    text() {
      if (!fields.payload) throw reject("no-payload", "the event came without a payload");
      return new TextDecoder().decode(fields.payload.body);
    },
    json() {
      try {
        return JSON.parse(helpers.text());
      } catch (error) {
        throw error instanceof SyntaxError ? reject("json", "the payload is no JSON") : error;
      }
    },
  };
  return Object.defineProperties(fields, Object.getOwnPropertyDescriptors(helpers)) as Event;
}
