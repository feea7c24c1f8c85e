/** The contract's implementation in the sandbox, over the host's imports. */

import documents, { type Document } from "hob:bot/document";
import fhir, { type FhirFailure, type Page as WitPage } from "hob:bot/fhir";
import http from "hob:bot/http";
import outbox from "hob:bot/outbox";
import secrets from "hob:bot/secrets";
import settings from "hob:bot/settings";
import timers from "hob:bot/timers";
import type { Bundle } from "fhir/r4";
import { FhirError, HttpError, Refused } from "../error.js";
import type { Page, Resource } from "../fhir.js";
import type { Contract, Created, Request } from "../host.js";
import { log } from "./console.js";
import { readText } from "./garbage.js";
import { encode } from "./text.js";

/** The whole of a document as a value. The text comes over as such: the host decodes faster than the interpreter. */
export function valueOf(document: Document): unknown {
  const text = document.get("") ?? "null";
  document[Symbol.dispose]();
  readText(text.length);
  return JSON.parse(text);
}

/** A document of the host, of any JSON text. */
function documentOf(value: unknown): Document {
  return documents.Document.parse(encode(JSON.stringify(value)));
}

function fhirError(failure: FhirFailure): FhirError {
  const outcome: unknown = failure.outcome === null ? undefined : JSON.parse(failure.outcome);
  return new FhirError(failure.code, failure.message, failure.status ?? undefined, outcome);
}

/** Calls the host; what it throws has what it said as `payload`. */
function call<T, E>(body: () => T, failed: (payload: E) => Error): T {
  try {
    return body();
  } catch (error) {
    const payload = (error as { payload?: E }).payload;
    throw payload === undefined ? error : failed(payload);
  }
}

const asked = <T>(body: () => T): T => call(body, fhirError);

function page(page: WitPage): Omit<Page, "matches"> {
  return { bundle: valueOf(page.bundle) as Bundle, next: page.next ?? undefined };
}

function requestOf(request: Request): { method: string; url: string; headers: [string, string][]; body: Uint8Array } {
  const { method, url, headers = [], body = new Uint8Array(0) } = request;
  return { method, url, headers, body: typeof body === "string" ? encode(body) : body };
}

const refused = (what: ConstructorParameters<typeof Refused>[0]) => (message: string) => new Refused(what, message);

interface WitHttpError {
  code: string;
  message: string;
  retryAfterMs: number | null;
}

/** Stages a new resource, of its JSON. */
export function createText(text: string, ifNoneExist?: string): Created {
  return asked(() => fhir.create(encode(text), ifNoneExist ?? null));
}

/** Stages new content, of its JSON. */
export function updateText(text: string): void {
  asked(() => fhir.update(encode(text)));
}

/** The host of this component. */
export const sandbox: Contract = {
  now: () => new Date(),
  read: (reference) => asked(() => valueOf(fhir.read(reference)) as Resource),
  vread: (reference, version) => asked(() => valueOf(fhir.vread(reference, version)) as Resource),
  history: (reference) => asked(() => page(fhir.history(reference))),
  search: (type, query) => asked(() => page(fhir.search(type, query))),
  operation: (name, reference, query) => asked(() => page(fhir.operation(name, reference, query))),
  more: (next) => asked(() => page(fhir.more(next))),
  batch: (urls) =>
    fhir
      .batch(urls.map((url) => ({ url })))
      .map((answer) => (answer.tag === "ok" ? (valueOf(answer.val) as Resource) : fhirError(answer.val))),
  create: (resource, ifNoneExist) => createText(JSON.stringify(resource), ifNoneExist),
  update: (resource) => updateText(JSON.stringify(resource)),
  patch: (reference, patch) => asked(() => fhir.patch(reference, JSON.stringify(patch))),
  delete: (reference) => asked(() => fhir.delete(reference)),
  guard: (reference, version) => asked(() => fhir.guard(reference, version)),
  setTimer: (key, at, payload) => call(() => timers.set(key, at, JSON.stringify(payload)), refused("timer")),
  cancelTimer: (key) => call(() => timers.cancel(key), refused("timer")),
  send: (message) => call(() => outbox.send({ key: message.key, ...requestOf(message) }), refused("outbox")),
  ask: (request) =>
    call(
      () => http.send(requestOf(request)),
      (error: WitHttpError) => new HttpError(error.code, error.message, error.retryAfterMs ?? undefined),
    ),
  setting(name) {
    const value = settings.get(name);
    return value === null ? undefined : JSON.parse(value);
  },
  placeholder: (name) => call(() => secrets.placeholder(name), refused("secret")),
  sign: (name, algorithm, bytes) => call(() => secrets.sign(name, algorithm, bytes), refused("secret")),
  expose: (name) => call(() => secrets.expose(name), refused("secret")),
  fhirpath: (resource, expression, variables) =>
    call(
      () => {
        const document = documentOf(resource);
        const values = document.fhirpath(expression, variables ? JSON.stringify(variables) : null);
        document[Symbol.dispose]();
        return JSON.parse(values) as unknown[];
      },
      (error: { message: string }) => new Refused("fhirpath", error.message),
    ),
  log,
};
