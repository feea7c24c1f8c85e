/**
 * What a bot can ask of the host. [`Contract`] is the plain contract that the sandbox and the tests implement; bots use the typed
 * views of [`Host`], which are made of it in one place.
 *
 * All calls are synchronous: the host does what it can at once, and a bot need not await anything.
 */

import { FhirError, reject } from "./error.js";
import type { Page, Resource, ResourceOf, ResourceType } from "./fhir.js";
import { referenceOf } from "./fhir.js";

/** What a create gave. */
export interface Created {
  /** What may be put into references of other staged resources, timers and outbox items. */
  reference: string;
  /** Whether the id in it is final. */
  isFinal: boolean;
  /** Whether the search found it: nothing was staged. */
  existed: boolean;
}

/** One operation of a JSON Patch (RFC 6902). */
export type PatchOperation =
  | { op: "add" | "replace" | "test"; path: string; value: unknown }
  | { op: "remove"; path: string }
  | { op: "copy" | "move"; from: string; path: string };

/** A request to somebody outside. */
export interface Request {
  method: string;
  /** Allowed by an `[[http]]` rule of the manifest. */
  url: string;
  headers?: [string, string][];
  body?: Uint8Array | string;
}

/** One of the outbox: sent once, after the commit. */
export interface Message extends Request {
  /** Unique within the run; the reply's trigger bears it. */
  key: string;
}

/** What the receiver said, whatever its status. */
export interface Response {
  status: number;
  /** Names in lower case. */
  headers: [string, string][];
  body: Uint8Array;
}

/** How loud a line of the log is. */
export type Level = "debug" | "info" | "warn" | "error";

/** The contract, as plain calls; what each throws is what the host said. */
export interface Contract {
  now(): Date;
  read(reference: string): Resource;
  vread(reference: string, version: string): Resource;
  history(reference: string): Omit<Page, "matches">;
  search(type: string, query: string): Omit<Page, "matches">;
  operation(name: string, reference: string, query: string): Omit<Page, "matches">;
  more(next: string): Omit<Page, "matches">;
  batch(urls: string[]): (Resource | FhirError)[];
  create(resource: Resource, ifNoneExist?: string): Created;
  update(resource: Resource): void;
  patch(reference: string, patch: PatchOperation[]): void;
  delete(reference: string): void;
  guard(reference: string, version: string): void;
  setTimer(key: string, at: string, payload: unknown): void;
  cancelTimer(key: string): void;
  send(message: Message): void;
  ask(request: Request): Response;
  setting(name: string): unknown;
  placeholder(name: string): string;
  sign(name: string, algorithm: string, bytes: Uint8Array): Uint8Array;
  expose(name: string): string;
  fhirpath(resource: Resource, expression: string, variables?: Record<string, unknown>): unknown[];
  log(level: Level, text: string): void;
}

type Reference<K extends ResourceType> = `${K}/${string}`;

/** Reads and staged writes at the event's source. All writes commit together when the bot returns. */
export interface Fhir {
  /** The resource as staged, else as the server has it. */
  read<K extends ResourceType>(reference: Reference<K>): ResourceOf<K>;
  read<R extends Resource = Resource>(reference: string): R;
  /** The resource, or nothing where there is none (any more). */
  find<K extends ResourceType>(reference: Reference<K>): ResourceOf<K> | undefined;
  find<R extends Resource = Resource>(reference: string): R | undefined;
  /** One version. */
  vread<K extends ResourceType>(reference: Reference<K>, version: string): ResourceOf<K>;
  /** The versions, newest first. */
  history<K extends ResourceType>(reference: Reference<K>): Page<ResourceOf<K>>;
  /** The first page of a search. */
  search<K extends ResourceType>(type: K, query?: string): Page<ResourceOf<K>>;
  /** The matches of every page. */
  searchAll<K extends ResourceType>(type: K, query?: string): ResourceOf<K>[];
  /** Patient/$everything: what the scopes show of all that is about a patient. */
  everything(patient: Reference<"Patient">, query?: string): Page;
  /** The page that `Page.next` names. */
  more<R extends Resource = Resource>(next: string): Page<R>;
  /** Reads made at once: `Type/id`, `Type/id/_history/version` or `Type?search` (its first page's Bundle). */
  batch(urls: string[]): (Resource | FhirError)[];
  /** Stages a new resource. */
  create(resource: Resource): Created;
  /** Stages a new resource unless the search finds one already; `existed` tells. */
  createIfNoneExist(resource: Resource, search: string): Created;
  /** Stages new content. The commit fails, and the event is run again on fresh reads, if the resource is no longer as this run read it. */
  update(resource: Resource): void;
  /** Stages a JSON Patch (RFC 6902). */
  patch(reference: string, patch: PatchOperation[]): void;
  /** Stages the end of a resource. */
  delete(reference: string): void;
  /** Makes the commit fail if this resource, as it was read, has changed until then. */
  guard(resource: Resource): void;
}

/** Durable timers in the lane of the run. */
export interface Timers {
  /** Sets or moves the timer to `at`; it fires as an event with this payload. */
  set(key: string, at: Date | string, payload?: unknown): void;
  /** Takes the timer back, also when it has fired but not started. */
  cancel(key: string): void;
}

/** Requests to somebody outside, sent once after the commit; the answer comes back as an event. */
export interface Outbox {
  send(message: Message): void;
  postJson(key: string, url: string, body: unknown): void;
}

/** Requests to somebody outside whose answer the run needs. Each is asked once for the run. */
export interface Http {
  send(request: Request): Response;
  get(url: string): Response;
  postJson(url: string, body: unknown): Response;
}

/** A secret of the manifest. */
export interface Secret {
  /** What stands for it in requests that the manifest allows it in. */
  placeholder(): string;
  /** A signature with it: `hmac-sha256`, `hmac-sha512`, `es256`, `rs256`. */
  sign(algorithm: string, bytes: Uint8Array): Uint8Array;
  /** Its value, where the manifest exposes it. */
  expose(): string;
}

/** The world of a run. */
export interface Host {
  /** Where the run's clock stands: a run sees time hardly pass, and a replay sees the same. */
  now(): Date;
  readonly fhir: Fhir;
  readonly timers: Timers;
  readonly outbox: Outbox;
  readonly http: Http;
  readonly settings: {
    /** What the deployment set, else the manifest's default. Rejects with `setting` where there is neither. */
    get<T = unknown>(name: string): T;
  };
  secret(name: string): Secret;
  /** FHIRPath (R4) on a resource, by the host. */
  fhirpath<T = unknown>(resource: Resource, expression: string, variables?: Record<string, unknown>): T[];
  log(level: Level, text: string): void;
}

/** The typed views over a contract. */
export function hostOf(contract: Contract): Host {
  const page = <R extends Resource>(page: Omit<Page, "matches">): Page<R> => {
    const hits = (page.bundle.entry ?? []).filter((entry) => (entry.search?.mode ?? "match") === "match");
    return { ...page, matches: hits.flatMap((entry) => (entry.resource ? [entry.resource as R] : [])) };
  };
  const search = <R extends Resource>(type: string, query = ""): Page<R> => page<R>(contract.search(type, query));
  const read = <R extends Resource>(reference: string): R => contract.read(reference) as R;
  const fhir: Fhir = {
    read,
    find<R extends Resource>(reference: string): R | undefined {
      try {
        return read<R>(reference);
      } catch (error) {
        if (error instanceof FhirError && error.isAbsent) return undefined;
        throw error;
      }
    },
    vread: <K extends ResourceType>(reference: string, version: string) => contract.vread(reference, version) as ResourceOf<K>,
    history: (reference) => page(contract.history(reference)),
    search,
    searchAll<K extends ResourceType>(type: K, query = ""): ResourceOf<K>[] {
      let last = search<ResourceOf<K>>(type, query);
      const found = [...last.matches];
      while (last.next) {
        last = page(contract.more(last.next));
        found.push(...last.matches);
      }
      return found;
    },
    everything: (patient, query = "") => page(contract.operation("everything", patient, query)),
    more: (next) => page(contract.more(next)),
    batch: (urls) => contract.batch(urls),
    create: (resource) => contract.create(resource),
    createIfNoneExist: (resource, query) => contract.create(resource, query),
    update: (resource) => contract.update(resource),
    patch: (reference, patch) => contract.patch(reference, patch),
    delete: (reference) => contract.delete(reference),
    guard: (resource) => contract.guard(referenceOf(resource), resource.meta?.versionId ?? ""),
  };
  const jsonRequest = (url: string, body: unknown): Request => ({
    method: "POST",
    url,
    headers: [["content-type", "application/json"]],
    body: JSON.stringify(body),
  });
  return {
    now: () => contract.now(),
    fhir,
    timers: {
      set: (key, at, payload = null) => contract.setTimer(key, typeof at === "string" ? at : at.toISOString(), payload),
      cancel: (key) => contract.cancelTimer(key),
    },
    outbox: {
      send: (message) => contract.send(message),
      postJson: (key, url, body) => contract.send({ key, ...jsonRequest(url, body) }),
    },
    http: {
      send: (request) => contract.ask(request),
      get: (url) => contract.ask({ method: "GET", url }),
      postJson: (url, body) => contract.ask(jsonRequest(url, body)),
    },
    settings: {
      get<T>(name: string): T {
        const value = contract.setting(name);
        if (value === undefined) throw reject("setting", `the setting ${name} is not set`);
        return value as T;
      },
    },
    secret: (name) => ({
      placeholder: () => contract.placeholder(name),
      sign: (algorithm, bytes) => contract.sign(name, algorithm, bytes),
      expose: () => contract.expose(name),
    }),
    fhirpath: <T>(resource: Resource, expression: string, variables?: Record<string, unknown>) =>
      contract.fhirpath(resource, expression, variables) as T[],
    log: (level, text) => contract.log(level, text),
  };
}
