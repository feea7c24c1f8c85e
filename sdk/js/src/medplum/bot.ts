/** The entry of a bot in Medplum's style: the real client, over the host, and the event as Medplum gives it. */

import { type BotEvent, Hl7Message, isResource, MedplumClient, MemoryStorage, ClientStorage } from "@medplum/core";
import type { Payload } from "../event.js";
import { type EventFields, json, text } from "../event.js";
import { sandbox } from "../sandbox/contract.js";
import { fieldsOf, serve, type WitEvent } from "../sandbox/serve.js";
import { decode } from "../sandbox/text.js";
import { behind } from "./answer.js";
import { whole } from "./bundle.js";
import { lastCall, noting } from "./calls.js";
import { hobFetch } from "./fetch.js";
import { BASE } from "./routes.js";

type Handler = (medplum: MedplumClient, event: BotEvent) => unknown;

// Made when the component is built: a run takes it as it was then.
const client = new MedplumClient({
  baseUrl: BASE,
  fetch: hobFetch as never,
  storage: new ClientStorage(new MemoryStorage()),
  cacheTime: 0,
});
const medplum = noting(client);

/** The component's `handle` of a Medplum bot's function. */
export function component(handler: Handler, name: string): (raw: WitEvent) => Payload | null {
  return serve(async (raw) => {
    const answer = await handler(medplum, eventOf(fieldsOf(raw), name));
    whole();
    return payloadOf(answer);
  }, behind, lastCall);
}

function eventOf(event: EventFields, name: string): BotEvent {
  const { trigger, payload } = event;
  const { requester, headers } = trigger as { requester?: string; headers?: Record<string, string> };
  return {
    bot: { reference: `Bot/${name}` },
    contentType: payload?.contentType ?? "application/fhir+json",
    input: inputOf(event, name),
    secrets: secrets() as BotEvent["secrets"],
    traceId: event.run,
    ...(requester ? { requester: { display: requester } } : {}),
    ...(headers ? { headers } : {}),
  } as BotEvent;
}

/** What the bot works on: a resource, `{ deletedResource }`, a Bot on a cron, or what somebody sent. */
function inputOf(event: EventFields, name: string): unknown {
  const { trigger, payload } = event;
  if (trigger.kind === "change") return trigger.interaction === "delete" ? { deletedResource: event.resource } : event.resource;
  if (trigger.kind === "cron") return { resourceType: "Bot", name, cronString: trigger.schedule };
  if (!payload) return event.resource;
  const { contentType, body } = payload;
  if (/hl7-v2/.test(contentType)) return Hl7Message.parse(decode(body));
  if (/json/.test(contentType)) return JSON.parse(decode(body));
  if (/x-www-form-urlencoded/.test(contentType)) return Object.fromEntries(new URLSearchParams(decode(body)));
  if (/^text\/|xml/.test(contentType)) return decode(body);
  return body;
}

/** Secrets by name, each looked up when the bot looks: its value where bot.toml exposes it, else what stands for it in requests. */
function secrets(): Record<string, unknown> {
  const known = new Map<string, unknown>();
  const find = (name: string): unknown => {
    for (const look of [sandbox.expose, sandbox.placeholder]) {
      try {
        return { name, valueString: look(name) };
      } catch {
        // Not exposed, or not there.
      }
    }
    return undefined;
  };
  const get = (name: string): unknown => {
    if (!known.has(name)) known.set(name, find(name));
    return known.get(name);
  };
  return new Proxy<Record<string, unknown>>(
    {},
    {
      get: (_, name) => (typeof name === "string" ? get(name) : undefined),
      has: (_, name) => typeof name === "string" && get(name) !== undefined,
    },
  );
}

/** What the bot answered, as Medplum's `$execute` sends it. */
function payloadOf(answer: unknown): Payload | undefined {
  if (answer === undefined || answer === null) return undefined;
  if (answer instanceof Hl7Message) return { ...text(answer.toString()), contentType: "x-application/hl7-v2+er7" };
  if (typeof answer === "object") {
    const payload = json(answer);
    return isResource(answer) ? { ...payload, contentType: "application/fhir+json" } : payload;
  }
  return text(String(answer));
}
