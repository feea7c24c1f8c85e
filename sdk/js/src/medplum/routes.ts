/** The client's requests to its FHIR base as calls of the host. */

import type { Bundle, Resource } from "fhir/r4";
import { FhirError } from "../error.js";
import type { Page, Resource as AnyResource } from "../fhir.js";
import type { PatchOperation } from "../host.js";
import { createText, sandbox, updateText } from "../sandbox/contract.js";
import { Answer, refusal, unsupported } from "./answer.js";
import { idOf, inBody, inQuery, inReference } from "./ids.js";

/** Where the client believes its server to be; nobody is there. */
export const BASE = "https://hob.invalid/";
export const FHIR = `${BASE}fhir/R4`;

/** A request to the FHIR base: what follows it in the URL, and what of a header or an entry's request matters. */
export interface Ask {
  method: string;
  /** Without a slash at the beginning. */
  path: string;
  body?: string | undefined;
  ifNoneExist?: string | undefined;
  ifMatch?: string | undefined;
}

/** The parameter that names the next page in the links that the client is given. */
const PAGE = "_hob_page=";

/** Does it; what the host refuses is an answer too. */
export function route(ask: Ask): Answer {
  try {
    const [path = "", query = ""] = ask.path.split("?");
    const parts = path.split("/").filter((part) => part !== "");
    return dispatch(ask, parts, inQuery(query.replaceAll("+", "%20")));
  } catch (error) {
    if (error instanceof FhirError) return refusal(error);
    throw error;
  }
}

function dispatch(ask: Ask, parts: string[], query: string): Answer {
  const [type = "", id, third, fourth] = parts;
  const operation = parts.find((part) => part.startsWith("$"));
  if (operation) {
    if (type === "Patient" && id && third === "$everything" && ask.method === "GET") return everything(inReference(`Patient/${id}`), query);
    return unsupported(`the operation ${operation}`, "only those that ask and that the host can hold to the scopes are; do it with reads and writes");
  }
  const reference = id && inReference(`${type}/${id}`);
  switch (ask.method) {
    case "GET":
      if (!reference) return search(type, query);
      if (third !== "_history") return new Answer(200, sandbox.read(reference));
      return fourth ? new Answer(200, sandbox.vread(reference, fourth)) : history(reference, query);
    case "POST":
      if (id === "_search") return search(type, ask.body ?? query);
      return create(type, ask);
    case "PUT":
      return reference ? update(reference, ask) : updateWhere(type, query, ask);
    case "PATCH":
      return patch(reference ?? one(type, query), ask);
    case "DELETE":
      return remove(reference ?? oneOrNone(type, query), ask);
    default:
      return unsupported(`the method ${ask.method}`, "GET, POST, PUT, PATCH and DELETE are");
  }
}

function search(type: string, query: string): Answer {
  const next = query.split("&").find((pair) => pair.startsWith(PAGE));
  if (next) return pages(type, sandbox.more(decodeURIComponent(next.slice(PAGE.length))));
  return pages(type, sandbox.search(type, query));
}

/** A page, with a link to the next that leads back here. */
function pages(path: string, page: Omit<Page, "matches">): Answer {
  const { bundle, next } = page;
  const link = (bundle.link ?? []).filter((link) => link.relation !== "next");
  if (next) link.push({ relation: "next", url: `${FHIR}/${path}?${PAGE}${encodeURIComponent(next)}` });
  return new Answer(200, { ...bundle, link });
}

/** All pages as one: Medplum's has a thousand entries, so that nobody who asks it for everything looks for a next page. */
function everything(patient: string, query: string): Answer {
  let page = sandbox.operation("everything", patient, query);
  const { bundle } = page;
  const entry = [...(bundle.entry ?? [])];
  while (page.next) {
    page = sandbox.more(page.next);
    entry.push(...(page.bundle.entry ?? []));
  }
  return new Answer(200, { ...bundle, entry, link: (bundle.link ?? []).filter((link) => link.relation !== "next") });
}

function history(reference: string, query: string): Answer {
  const page = sandbox.history(reference);
  const most = Number(/(?:^|&)_count=(\d+)/.exec(query)?.[1] ?? Infinity);
  const entry = page.bundle.entry?.slice(0, most);
  return pages(`${reference}/_history`, { ...page, bundle: { ...page.bundle, ...(entry ? { entry } : {}) } });
}

function create(type: string, ask: Ask): Answer {
  const resource = JSON.parse(ask.body ?? "null") as Resource | null;
  if (resource?.resourceType !== type) throw new FhirError("invalid", `what is created below ${type} must be a ${type}`);
  const created = createText(inBody(ask.body ?? ""), ask.ifNoneExist && inQuery(ask.ifNoneExist.replaceAll("+", "%20")));
  const id = idOf(type, created.reference);
  if (created.existed) return new Answer(200, sandbox.read(created.reference));
  return new Answer(201, { ...resource, id }, `${type}/${id}`);
}

function update(reference: string, ask: Ask): Answer {
  const resource = JSON.parse(ask.body ?? "null") as AnyResource | null;
  guard(reference, ask);
  updateText(inBody(ask.body ?? ""));
  return new Answer(200, resource);
}

/** A conditional update: the one that is found, or a new one. */
function updateWhere(type: string, query: string, ask: Ask): Answer {
  const found = oneOrNone(type, query);
  const resource = JSON.parse(ask.body ?? "null") as AnyResource;
  if (!found) return create(type, { ...ask, ifNoneExist: query, body: JSON.stringify({ ...resource, id: undefined }) });
  const id = found.startsWith("urn:uuid:") ? found.slice("urn:uuid:".length) : found.slice(found.indexOf("/") + 1);
  const whole = { ...resource, id };
  guard(found, ask);
  updateText(inBody(JSON.stringify(whole)));
  return new Answer(200, whole);
}

function patch(reference: string, ask: Ask): Answer {
  guard(reference, ask);
  sandbox.patch(reference, JSON.parse(inBody(ask.body ?? "[]")) as PatchOperation[]);
  return new Answer(200, sandbox.read(reference));
}

function remove(reference: string | undefined, ask: Ask): Answer {
  if (reference) {
    guard(reference, ask);
    sandbox.delete(reference);
  }
  return new Answer(204);
}

/** `If-Match`: the commit fails if it is another version by then. */
function guard(reference: string, ask: Ask): void {
  const version = ask.ifMatch && /^(?:W\/)?"?([^"]+)"?$/.exec(ask.ifMatch)?.[1];
  if (version) sandbox.guard(reference, version);
}

/** What a conditional write finds: at most one. */
function oneOrNone(type: string, query: string): string | undefined {
  if (!query) throw new FhirError("invalid", `a write below ${type} needs an id or a search`);
  const { bundle } = sandbox.search(type, `${query}&_count=2`);
  const found = matches(bundle);
  if (found.length > 1) throw new FhirError("conflict", `the condition of a write finds several ${type}: it must find at most one`, 412);
  const [entry] = found;
  return entry && (entry.fullUrl?.startsWith("urn:uuid:") ? entry.fullUrl : `${type}/${entry.resource?.id ?? ""}`);
}

function one(type: string, query: string): string {
  const found = oneOrNone(type, query);
  if (!found) throw new FhirError("not-found", `the condition of a write finds no ${type}`);
  return found;
}

function matches(bundle: Bundle) {
  return (bundle.entry ?? []).filter((entry) => entry.resource && (entry.search?.mode ?? "match") === "match");
}
