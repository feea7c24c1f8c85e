/** Plain searches: `name=value`, alternatives by comma, references and tokens. What it does not know it says. */

import { FhirError } from "../error.js";
import type { Resource } from "../fhir.js";

const PATIENT = ["patient", "subject", "for", "beneficiary"];

/** Those of the resources that a search finds. */
export function find(resources: Resource[], query: string): Resource[] {
  let found = resources;
  for (const [name, wanted] of new URLSearchParams(query)) {
    if (name === "_count" || name === "_sort") continue;
    if (/[:.]/.test(name) || (name.startsWith("_") && name !== "_id")) {
      throw new FhirError("invalid", `this world does not know the search parameter ${name}: answer it with searchWith`);
    }
    const camel = name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
    const elements = name === "_id" ? ["id"] : name === "patient" || name === "subject" ? PATIENT : [camel];
    found = found.filter((resource) =>
      wanted.split(",").some((one) => elements.some((element) => says((resource as unknown as Record<string, unknown>)[element], one))),
    );
  }
  return found;
}

/** Whether a value is what a search's value asks for. */
function says(value: unknown, wanted: string): boolean {
  if (Array.isArray(value)) return value.some((item) => says(item, wanted));
  if (typeof value !== "object" || value === null) return value !== undefined && String(value) === wanted;
  const it = value as Record<string, unknown>;
  if (typeof it["reference"] === "string") return it["reference"] === wanted || it["reference"].endsWith(`/${wanted}`);
  if (Array.isArray(it["coding"])) return says(it["coding"], wanted);
  const [system, code] = wanted.includes("|") ? wanted.split("|") : [undefined, wanted];
  return (system === undefined || (it["system"] ?? "") === system) && (it["code"] ?? it["value"]) === code;
}
