/**
 * Where the bot called the client. What fails there fails later, in a job of the client's own, when no line of the bot is on the stack any more; so each call
 * leaves its place, and a failure that has none of its own names the last one.
 */

import { framesOf } from "../sandbox/positions.js";

let last: { stack?: string } | undefined;

/** The client as the bot has it: each of its methods notes who called, and is then the client's own. */
export function noting<T extends object>(client: T): T {
  const noted = Object.create(client) as Record<string, unknown>;
  for (let of = Object.getPrototypeOf(client); of !== Object.prototype; of = Object.getPrototypeOf(of)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(of))) {
      if (typeof value !== "function" || name === "constructor" || Object.hasOwn(noted, name)) continue;
      noted[name] = (...given: unknown[]): unknown => {
        // The first frame is this function's, and what is written down of each costs time.
        const { stackTraceLimit } = Error;
        Error.stackTraceLimit = 4;
        last = new Error();
        Error.stackTraceLimit = stackTraceLimit;
        return (value as (...given: unknown[]) => unknown).apply(client, given);
      };
    }
  }
  return noted as T;
}

/** The author's frames of the last call, innermost first. */
export function lastCall(): string[] {
  return framesOf(last?.stack);
}
