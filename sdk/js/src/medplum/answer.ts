/** Answers to the client, as its server gives them. */

import type { OperationOutcome } from "fhir/r4";
import { FhirError } from "../error.js";

/** What the client takes of a response. The body is a value: nobody writes it down only to read it again. */
export class Answer {
  readonly statusText = "";
  readonly headers: { get(name: string): string | null; forEach(each: (value: string, name: string) => void): void };

  constructor(
    readonly status: number,
    readonly body?: unknown,
    location?: string,
  ) {
    const fields: Record<string, string> = body === undefined ? {} : { "content-type": "application/fhir+json" };
    if (location) fields["location"] = location;
    this.headers = {
      get: (name) => fields[name.toLowerCase()] ?? null,
      forEach: (each) => Object.entries(fields).forEach(([name, value]) => each(value, name)),
    };
  }

  get ok(): boolean {
    return this.status < 300;
  }

  async json(): Promise<unknown> {
    return this.body;
  }

  async text(): Promise<string> {
    return this.body === undefined ? "" : JSON.stringify(this.body);
  }
}

const STATUS: Record<string, number> = {
  "not-found": 404,
  gone: 410,
  scope: 403,
  refused: 403,
  conflict: 412,
  invalid: 400,
  limit: 429,
  unavailable: 503,
};

const ISSUE: Record<number, "not-found" | "deleted" | "forbidden" | "conflict" | "invalid" | "throttled" | "not-supported" | "transient"> = {
  400: "invalid",
  403: "forbidden",
  404: "not-found",
  410: "deleted",
  412: "conflict",
  429: "throttled",
  501: "not-supported",
  503: "transient",
};

/** The ids by which Medplum's client and its bots tell outcomes apart (`isNotFound` and its like). */
const ID: Record<number, string> = {
  403: "forbidden",
  404: "not-found",
  409: "conflict",
  410: "gone",
  412: "precondition-failed",
  429: "too-many-requests",
};

/** Which of the host's errors an outcome tells of: the client throws the outcome, and the run's failure must know. */
const told = new WeakMap<object, FhirError>();

/** The host's error behind what the client threw. */
export function behind(error: unknown): unknown {
  const outcome = (error as { outcome?: object } | null)?.outcome;
  const found = outcome && told.get(outcome);
  if (!found) return error;
  if (error instanceof Error && error.stack) found.stack = error.stack;
  return found;
}

/** An OperationOutcome with one issue. */
export function outcomeOf(status: number, text: string): OperationOutcome {
  return { resourceType: "OperationOutcome", issue: [{ severity: "error", code: ISSUE[status] ?? "processing", details: { text } }] };
}

/** The host's error as a server says it. */
export function refusal(error: FhirError): Answer {
  const status = error.status ?? STATUS[error.reason] ?? 400;
  const said = (error.outcome as object | undefined) ?? outcomeOf(status, error.message);
  const body = ID[status] ? { ...said, id: ID[status] } : said;
  told.set(body, error);
  return new Answer(status, body);
}

/** What Hob does not do for the client, and what to do instead. */
export function unsupported(what: string, instead: string): Answer {
  return refusal(new FhirError("refused", `${what} is not there on Hob: ${instead}`, 501));
}
