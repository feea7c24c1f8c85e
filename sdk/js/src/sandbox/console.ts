/** The run's log: the host takes a line's level from its first word. */

import stdout from "wasi:cli/stdout";
import { framesOf } from "./positions.js";
import { encode } from "./text.js";
import type { Level } from "../host.js";

let stream: ReturnType<typeof stdout.getStdout> | undefined;

/** What one call of WASI takes. */
const MOST = 4096;

/** Writes one line; line breaks become spaces. */
export function log(level: Level, text: string): void {
  stream ??= stdout.getStdout();
  const bytes = encode(`${level}: ${text.replace(/[\r\n]+/g, " ")}\n`);
  for (let at = 0; at < bytes.length; at += MOST) stream.blockingWriteAndFlush(bytes.subarray(at, at + MOST));
}

/** The author's frames of a stack, or all of them where none is. */
function placesOf(stack: string | undefined): string {
  const frames = framesOf(stack);
  if (frames.length > 0) return ` at ${frames.join(", ")}`;
  return stack ? ` ${stack.trim()}` : "";
}

/** A value as a person reads it. */
export function shown(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return `${value.name}: ${value.message}${placesOf(value.stack)}`;
  if (typeof value === "object" && value !== null) {
    const seen = new Set<unknown>();
    try {
      return JSON.stringify(value, (_, inner: unknown) => {
        if (typeof inner === "bigint") return inner.toString();
        if (typeof inner !== "object" || inner === null) return inner;
        if (seen.has(inner)) return "[again]";
        seen.add(inner);
        return inner;
      });
    } catch {
      return Object.prototype.toString.call(value);
    }
  }
  return String(value);
}

/** `console.log("%s has %d", …)`: the directives that people use. */
function text(given: unknown[]): string {
  const [first, ...rest] = given;
  if (typeof first !== "string" || !first.includes("%")) return given.map(shown).join(" ");
  const filled = first.replace(/%[sdifjoOc%]/g, (directive) => {
    if (directive === "%%") return "%";
    if (rest.length === 0) return directive;
    const value = rest.shift();
    return directive === "%c" ? "" : shown(value);
  });
  return [filled, ...rest.map(shown)].join(" ");
}

const at =
  (level: Level) =>
  (...given: unknown[]): void =>
    log(level, text(given));
const nothing = (): void => undefined;

Object.assign(globalThis, {
  console: {
    log: at("info"),
    info: at("info"),
    debug: at("debug"),
    trace: at("debug"),
    warn: at("warn"),
    error: at("error"),
    dir: at("info"),
    table: at("info"),
    assert: (holds: unknown, ...given: unknown[]) => {
      if (!holds) log("error", `assertion failed: ${text(given)}`);
    },
    group: at("info"),
    groupEnd: nothing,
    time: nothing,
    timeEnd: nothing,
    timeLog: nothing,
    count: nothing,
  },
});
