/** Why a bot does not handle an event. */

/** What the host does after a failure: try again, up to the manifest's limit, or never. */
export type Kind = "retry" | "reject";

/** Thrown by a bot. The operator sees it in `hob show`. */
export class BotError extends Error {
  override name = "BotError";
  /** The shortest wait before the next attempt. */
  retryAfterMs?: number;
  /** A JSON value for the operator. */
  details?: unknown;

  constructor(
    readonly kind: Kind,
    /** The bot's own stable code, such as `no-patient`. */
    readonly code: string,
    message: string,
    more: { retryAfterMs?: number; details?: unknown; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    if (more.retryAfterMs !== undefined) this.retryAfterMs = more.retryAfterMs;
    if (more.details !== undefined) this.details = more.details;
  }
}

/** Try again later: `throw retry("lab-down", "the lab does not answer")`. */
export function retry(code: string, message: string, more?: { retryAfterMs?: number; details?: unknown }): BotError {
  return new BotError("retry", code, message, more);
}

/** Do not try again: `throw reject("no-patient", "the task has no patient")`. */
export function reject(code: string, message: string, more?: { details?: unknown }): BotError {
  return new BotError("reject", code, message, more);
}

/** Codes of the FHIR server or the host that another attempt does not cure. */
const FINAL = ["not-found", "gone", "invalid", "refused", "scope"];

/** What the FHIR server, or the host before it, answered instead of a resource. */
export class FhirError extends BotError {
  override name = "FhirError";

  constructor(
    /** `not-found`, `gone`, `scope`, `conflict`, `invalid`, `unavailable`, `limit`, `refused`, or a later word. */
    readonly reason: string,
    message: string,
    /** The HTTP status, where a server answered. */
    readonly status?: number | undefined,
    /** The server's OperationOutcome. */
    readonly outcome?: unknown,
  ) {
    super(FINAL.includes(reason) ? "reject" : "retry", `fhir-${reason}`, message, outcome === undefined ? {} : { details: outcome });
  }

  /** Whether there is no such resource, or none any more. */
  get isAbsent(): boolean {
    return this.reason === "not-found" || this.reason === "gone";
  }
}

/** The host does not take a timer, an outbox item, a setting, a secret or an expression: the bot or its manifest is wrong. */
export class Refused extends BotError {
  override name = "Refused";

  constructor(what: "timer" | "outbox" | "setting" | "secret" | "fhirpath" | "json", message: string) {
    super("reject", what, message);
  }
}

/** Why a request to somebody outside has no answer. */
export class HttpError extends BotError {
  override name = "HttpError";

  constructor(
    /** `not-allowed`, `refused`, `too-large`, `later`, `unknown`, or a later word. */
    readonly reason: string,
    message: string,
    retryAfterMs?: number | undefined,
  ) {
    const kind: Kind = ["not-allowed", "refused", "too-large"].includes(reason) ? "reject" : "retry";
    super(kind, `http-${reason}`, message, retryAfterMs === undefined ? {} : { retryAfterMs });
  }
}
