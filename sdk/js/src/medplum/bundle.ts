/**
 * A Bundle of the client: a transaction or a batch. Its writes are staged one after the other, and committed with all others of the run; so a batch's writes
 * too are kept or not kept as one. What of a transaction cannot be staged fails all of it: nothing may be left of it, so the run fails even if the bot goes on.
 */

import { stringify } from "@medplum/core";
import type { Binary, Bundle, BundleEntry, OperationOutcome } from "fhir/r4";
import { FhirError } from "../error.js";
import { updateText } from "../sandbox/contract.js";
import { decode } from "../sandbox/text.js";
import { Answer, outcomeOf, refusal } from "./answer.js";
import { inBody } from "./ids.js";
import { type Ask, route } from "./routes.js";

/** A transaction that failed after some of it was staged. */
let torn: FhirError | undefined;

/** Throws where a transaction was torn. */
export function whole(): void {
  if (torn) throw torn;
}

/** The order in which a transaction's entries take effect. */
const ORDER = ["DELETE", "POST", "PUT", "PATCH", "GET", "HEAD"];

/** Does what the Bundle says. */
export function execute(text: string): Answer {
  const bundle = JSON.parse(text) as Bundle;
  if (bundle.resourceType !== "Bundle" || (bundle.type !== "batch" && bundle.type !== "transaction")) {
    return refusal(new FhirError("invalid", "what is posted to the base must be a Bundle of type batch or transaction"));
  }
  const entries = bundle.entry ?? [];
  const answers: BundleEntry[] = new Array(entries.length);
  const pending = entries.map((entry, at) => ({ entry, at })).sort((a, b) => rank(a.entry) - rank(b.entry) || a.at - b.at);
  const ids = new Map<string, string>();
  const open = new Set(pending.flatMap(({ entry }) => (entry.request?.method === "POST" && entry.fullUrl ? [entry.fullUrl] : [])));
  const again: { text: string; type: string; id: string }[] = [];
  let staged = false;
  while (pending.length > 0) {
    // A create waits for those that it refers to; where they wait for each other, one is made and mended afterwards.
    const ready = pending.findIndex(({ entry }) => entry.request?.method !== "POST" || refersTo(entry, open).length === 0);
    const [{ entry, at }] = pending.splice(Math.max(ready, 0), 1) as [(typeof pending)[number]];
    const ask = askOf(entry, ids);
    const answer = route(ask);
    answers[at] = entryOf(answer);
    if (answer.status >= 400) {
      if (bundle.type === "batch") continue;
      const failed = new FhirError("invalid", `entry ${at + 1} of the transaction, ${ask.method}, failed with ${answer.status}`, answer.status, answer.body);
      if (staged) torn = failed;
      return refusal(failed);
    }
    staged ||= ask.method !== "GET";
    if (entry.request?.method !== "POST" || !entry.fullUrl) continue;
    open.delete(entry.fullUrl);
    const made = answer.body as { resourceType: string; id: string };
    ids.set(entry.fullUrl, `${made.resourceType}/${made.id}`);
    if (ready < 0) again.push({ text: JSON.stringify({ ...entry.resource, id: made.id }), type: made.resourceType, id: made.id });
  }
  for (const { text } of again) updateText(inBody(resolved(text, ids)));
  return new Answer(200, { resourceType: "Bundle", type: `${bundle.type}-response`, entry: answers });
}

function rank(entry: BundleEntry): number {
  return ORDER.indexOf(entry.request?.method ?? "");
}

/** Those of the urls that the entry's resource names, but its own. */
function refersTo(entry: BundleEntry, urls: Set<string>): string[] {
  const text = JSON.stringify(entry.resource ?? null);
  return [...urls].filter((url) => url !== entry.fullUrl && text.includes(`"${url}"`));
}

function resolved(text: string, ids: Map<string, string>): string {
  let changed = text;
  for (const [url, reference] of ids) changed = changed.replaceAll(`"${url}"`, `"${reference}"`);
  return changed;
}

function askOf(entry: BundleEntry, ids: Map<string, string>): Ask {
  const { method = "GET", url = "", ifNoneExist, ifMatch } = entry.request ?? {};
  let path = url.replace(/^https?:\/\/[^/]+\/(fhir\/R4\/)?/, "").replace(/^\//, "");
  for (const [from, to] of ids) path = path.replaceAll(from, to);
  return { method, path, body: bodyOf(entry, ids), ifNoneExist: ifNoneExist?.replace(/^.*\?/, ""), ifMatch };
}

function bodyOf(entry: BundleEntry, ids: Map<string, string>): string | undefined {
  if (!entry.resource) return undefined;
  // As the client writes resources down: without empty lists and objects, which FHIR does not have.
  // In a batch a patch comes as a Binary with the patch in it.
  if (entry.request?.method === "PATCH" && entry.resource.resourceType === "Binary") {
    const { data = "" } = entry.resource as Binary;
    return resolved(decode(Uint8Array.fromBase64(data)), ids);
  }
  return resolved(stringify(entry.resource), ids);
}

function entryOf(answer: Answer): BundleEntry {
  const body = answer.body as { resourceType: string } | undefined;
  const location = answer.headers.get("location");
  const isOutcome = body?.resourceType === "OperationOutcome";
  const outcome = isOutcome ? (body as OperationOutcome) : answer.status < 300 ? undefined : outcomeOf(answer.status, "it failed");
  return {
    response: { status: String(answer.status), ...(location ? { location } : {}), ...(outcome ? { outcome } : {}) },
    ...(body && !isOutcome ? { resource: body as NonNullable<BundleEntry["resource"]> } : {}),
  };
}
