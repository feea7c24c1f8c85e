/** JSON Patch (RFC 6902), for the test world. */

import { FhirError } from "../error.js";
import type { Resource } from "../fhir.js";
import type { PatchOperation } from "../host.js";

type Container = Record<string, unknown> | unknown[];

const invalid = (why: string) => new FhirError("invalid", `the patch does not apply: ${why}`);

/** The resource after the patch. */
export function patched(resource: Resource, patch: PatchOperation[]): Resource {
  const root = { "": structuredClone(resource) as unknown };
  for (const operation of patch) apply(root, operation);
  return root[""] as Resource;
}

function apply(root: Container, operation: PatchOperation): void {
  const [holder, key] = place(root, operation.path);
  switch (operation.op) {
    case "add":
      return put(holder, key, structuredClone(operation.value));
    case "replace":
      take(holder, key);
      return put(holder, key, structuredClone(operation.value));
    case "remove":
      return void take(holder, key);
    case "test":
      if (JSON.stringify(value(holder, key)) !== JSON.stringify(operation.value)) throw invalid(`the test of ${operation.path} fails`);
      return;
    case "copy":
      return put(holder, key, structuredClone(value(...place(root, operation.from))));
    case "move":
      return put(holder, key, take(...place(root, operation.from)));
  }
}

/** What holds the element that a pointer names, and its name there. */
function place(root: Container, pointer: string): [Container, string] {
  const steps = pointer.split("/").map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
  const last = steps.pop() ?? "";
  let at = root;
  for (const step of steps) at = value(at, step) as Container;
  if (typeof at !== "object" || at === null) throw invalid(`there is nothing at ${pointer}`);
  return [at, last];
}

function value(holder: Container, key: string): unknown {
  const found = (holder as Record<string, unknown>)[key];
  if (found === undefined) throw invalid(`there is nothing at ${key}`);
  return found;
}

function take(holder: Container, key: string): unknown {
  const found = value(holder, key);
  if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else delete holder[key];
  return found;
}

function put(holder: Container, key: string, it: unknown): void {
  if (!Array.isArray(holder)) holder[key] = it;
  else if (key === "-") holder.push(it);
  else holder.splice(Number(key), 0, it);
}
