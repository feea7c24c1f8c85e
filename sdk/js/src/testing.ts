/**
 * A small world for unit tests of a bot's logic: a FHIR store in memory, settings, timers and an outbox.
 *
 * It is a stand-in for the sandbox, not for a FHIR server: writes show at once, searches know plain equality only (see `searchWith` for
 * the rest), and no scope or limit is enforced. What those do is the host's to test.
 *
 * ```ts
 * const world = new World().with({ resourceType: "Patient", id: "a" });
 * await handle(change({ resourceType: "Task", id: "1", status: "ready", intent: "order", for: { reference: "Patient/a" } }), world.host);
 * expect(world.resources("Flag")).toHaveLength(1);
 * ```
 */

import type { Bundle } from "fhir/r4";
import { FhirError, HttpError, Refused } from "./error.js";
import { eventOf, type Event, type EventFields, json, type Trigger } from "./event.js";
import { type Page, referenceOf, type Resource, type ResourceOf, type ResourceType } from "./fhir.js";
import { type Contract, type Created, type Host, hostOf, type Level, type Message, type PatchOperation, type Request, type Response } from "./host.js";
import { patched } from "./testing/patch.js";
import { find } from "./testing/search.js";

/** What a bot staged. */
export type Staged =
  | { create: Resource }
  | { update: Resource }
  | { delete: string }
  | { guard: string; version: string };

/** A timer that stands. */
export interface Timer {
  at: string;
  payload: unknown;
}

/** When a test takes place that does not say when. */
const NOON = "2026-01-01T12:00:00.000Z";

/** The world of one test. */
export class World {
  /** What was staged, in order. */
  readonly staged: Staged[] = [];
  /** Timers that stand, by key. */
  readonly timers = new Map<string, Timer>();
  /** Keys of timers that were taken back, in order. */
  readonly cancelled: string[] = [];
  /** Requests that were put in the outbox, in order. */
  readonly outbox: Message[] = [];
  /** Requests that the bot waited for, in order. */
  readonly asked: Request[] = [];
  /** The log. */
  readonly lines: { level: Level; text: string }[] = [];
  /** Give this to the bot. */
  readonly host: Host = hostOf(this.#contract());

  #now = new Date(NOON);
  readonly #settings = new Map<string, unknown>();
  readonly #secrets = new Map<string, string | undefined>();
  /** Versions by reference, oldest first; a null is a delete. */
  readonly #store = new Map<string, (Resource | null)[]>();
  #created = 0;
  #search: (type: string, query: string) => Resource[] | undefined = () => undefined;
  #fhirpath: (resource: Resource, expression: string) => unknown[] = () => {
    throw new Refused("fhirpath", "this world has no FHIRPath: answer it with fhirpathWith");
  };
  #answer: (request: Request) => Response = () => {
    throw new HttpError("not-allowed", "this world allows no requests: answer them with answerWith");
  };
  #sign: (name: string, algorithm: string, bytes: Uint8Array) => Uint8Array = () => {
    throw new Refused("secret", "this world does not sign: do it with signWith");
  };

  /** Sets the clock. */
  at(now: string | Date): this {
    this.#now = new Date(now);
    return this;
  }

  /** Puts a resource with an id on the server, as its next version. */
  with(resource: Resource): this {
    this.#put(resource);
    return this;
  }

  /** Gives a setting a value. */
  withSetting(name: string, value: unknown): this {
    this.#settings.set(name, value);
    return this;
  }

  /** Makes a secret known by name, and, where the manifest exposes it, by value. */
  withSecret(name: string, exposed?: string): this {
    this.#secrets.set(name, exposed);
    return this;
  }

  /** Answers searches; undefined leaves one to the world's own plain equality. */
  searchWith(search: (type: string, query: string) => Resource[] | undefined): this {
    this.#search = search;
    return this;
  }

  /** Answers FHIRPath, which a native test has no engine for. */
  fhirpathWith(fhirpath: (resource: Resource, expression: string) => unknown[]): this {
    this.#fhirpath = fhirpath;
    return this;
  }

  /** Answers what the bot asks others. */
  answerWith(answer: (request: Request) => Response): this {
    this.#answer = answer;
    return this;
  }

  /** Signs. */
  signWith(sign: (name: string, algorithm: string, bytes: Uint8Array) => Uint8Array): this {
    this.#sign = sign;
    return this;
  }

  /** The current resources of a type. */
  resources<K extends ResourceType>(type: K): ResourceOf<K>[] {
    return this.#current().filter((resource) => resource.resourceType === type) as ResourceOf<K>[];
  }

  #current(): Resource[] {
    return [...this.#store.values()].flatMap((versions) => versions.at(-1) ?? []);
  }

  #put(resource: Resource): void {
    const versions = this.#store.get(referenceOf(resource)) ?? [];
    const meta = { ...resource.meta, versionId: String(versions.length + 1) };
    this.#store.set(referenceOf(resource), [...versions, { ...structuredClone(resource), meta }]);
  }

  #read(reference: string): Resource {
    const resource = this.#store.get(reference)?.at(-1);
    if (resource === undefined) throw new FhirError("not-found", "no such resource");
    if (resource === null) throw new FhirError("gone", "it was deleted");
    return structuredClone(resource);
  }

  #searched(type: string, query: string): Resource[] {
    return this.#search(type, query) ?? find(this.#current().filter((resource) => resource.resourceType === type), query);
  }

  #create(resource: Resource, ifNoneExist?: string): Created {
    if (ifNoneExist !== undefined) {
      const found = this.#searched(resource.resourceType, ifNoneExist);
      if (found.length > 1) throw new FhirError("conflict", "if-none-exist finds more than one");
      if (found[0]) return { reference: referenceOf(found[0]), isFinal: true, existed: true };
    }
    this.#created += 1;
    const made = { ...structuredClone(resource), id: `new-${this.#created}` };
    this.staged.push({ create: structuredClone(resource) });
    this.#put(made);
    return { reference: referenceOf(made), isFinal: true, existed: false };
  }

  #update(resource: Resource): void {
    const before = this.#read(referenceOf(resource));
    if (JSON.stringify(before) === JSON.stringify(resource)) return;
    this.staged.push({ update: structuredClone(resource) });
    this.#put(resource);
  }

  #contract(): Contract {
    return {
      now: () => new Date(this.#now),
      read: (reference) => this.#read(reference),
      vread: (reference, version) => {
        const found = this.#store.get(reference)?.[Number(version) - 1];
        if (!found) throw new FhirError("not-found", "no such version");
        return structuredClone(found);
      },
      history: (reference) => {
        const versions = this.#store.get(reference);
        if (!versions) throw new FhirError("not-found", "no such resource");
        const entry = versions.toReversed().map((resource) => (resource ? { resource } : { request: { method: "DELETE" as const, url: reference } }));
        return { bundle: { resourceType: "Bundle", type: "history", entry } };
      },
      search: (type, query) => pageOf(this.#searched(type, query)),
      operation: (name, reference) => {
        if (name !== "everything" || !reference.startsWith("Patient/")) throw new FhirError("refused", "this world does `everything` of a Patient");
        const patient = this.#read(reference);
        const about = this.#current().filter((resource) => JSON.stringify(resource).includes(`"${reference}"`));
        return pageOf([patient, ...about]);
      },
      more: () => {
        throw new FhirError("invalid", "every search of this world has one page");
      },
      batch: (urls) =>
        urls.map((url) => {
          try {
            const [path = "", query] = url.split("?");
            return query === undefined ? this.#read(path) : pageOf(this.#searched(path, query)).bundle;
          } catch (error) {
            if (error instanceof FhirError) return error;
            throw error;
          }
        }),
      create: (resource, ifNoneExist) => this.#create(resource, ifNoneExist),
      update: (resource) => this.#update(resource),
      patch: (reference, patch: PatchOperation[]) => this.#update(patched(this.#read(reference), patch)),
      delete: (reference) => {
        this.#read(reference);
        this.staged.push({ delete: reference });
        this.#store.get(reference)?.push(null);
      },
      guard: (reference, version) => void this.staged.push({ guard: reference, version }),
      setTimer: (key, at, payload) => void this.timers.set(key, { at, payload }),
      cancelTimer: (key) => {
        this.timers.delete(key);
        this.cancelled.push(key);
      },
      send: (message) => {
        if (this.outbox.some((other) => other.key === message.key)) throw new Refused("outbox", `the key ${message.key} is taken`);
        this.outbox.push(message);
      },
      ask: (request) => {
        this.asked.push(request);
        return this.#answer(request);
      },
      setting: (name) => this.#settings.get(name),
      placeholder: (name) => {
        if (!this.#secrets.has(name)) throw new Refused("secret", `there is no secret ${name}`);
        return `secret:${name}`;
      },
      sign: (name, algorithm, bytes) => {
        if (!this.#secrets.has(name)) throw new Refused("secret", `there is no secret ${name}`);
        return this.#sign(name, algorithm, bytes);
      },
      expose: (name) => {
        const value = this.#secrets.get(name);
        if (value === undefined) throw new Refused("secret", `${name} is not exposed`);
        return value;
      },
      fhirpath: (resource, expression) => this.#fhirpath(resource, expression),
      log: (level, text) => void this.lines.push({ level, text }),
    };
  }
}

function pageOf(resources: Resource[]): Omit<Page, "matches"> {
  const entry = resources.map((resource) => ({ resource: structuredClone(resource), search: { mode: "match" as const } }));
  const bundle: Bundle = { resourceType: "Bundle", type: "searchset", total: entry.length, entry };
  return { bundle };
}

/** An event with this trigger; `more` may give it what else it has. */
export function event(trigger: Trigger, more: Partial<EventFields> = {}): Event {
  return eventOf({
    id: "evt_test",
    run: "run_test",
    tenant: "test",
    source: "test",
    trigger,
    received: NOON,
    deadline: "2026-01-01T12:00:30.000Z",
    attempt: 1,
    hop: 0,
    ...more,
  });
}

/** An event of a change of this resource. */
export function change(resource: Resource, interaction: "create" | "update" | "delete" = "update"): Event {
  const { resourceType: type, id = "", meta } = resource;
  return event({ kind: "change", interaction, type, id, version: meta?.versionId ?? "1" }, { resource, payload: { ...json(resource), contentType: "application/fhir+json" } });
}

/** An event of a timer that came due. */
export function timer(key: string, due: string, payload: unknown): Event {
  return event({ kind: "timer", key, due }, { payload: json(payload) });
}

/** An event of somebody who asked. */
export function invoke(payload: unknown, requester = "test"): Event {
  return event({ kind: "invoke", requester }, { payload: json(payload) });
}
