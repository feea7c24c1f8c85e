/**
 * The event loop of a run. The contract's `handle` is an ordinary function, so QuickJS runs no promise jobs for it: promises are those of
 * `promise-polyfill`, on this queue, and `async` functions are lowered to generators by the build. A timer fires when nothing else
 * is left to do, in the order of what was asked for; nobody waits, and the clock stands still as it does for every run.
 */

// Before the library, which looks for a timer when it is loaded.
import { drain, enqueue, failure, fireNext } from "./jobs.js";

import PromisePolyfill from "promise-polyfill";

/** Thrown where a handler waits for what cannot come. */
export class NeverSettles extends Error {
  override name = "NeverSettles";
}

/** What a handler's answer comes to: runs all jobs and timers that it needs. */
export function settle<T>(value: T | PromiseLike<T>): T {
  let done: { value: T } | { error: unknown } | undefined;
  const then = (value as PromiseLike<T> | undefined)?.then;
  if (typeof then !== "function") {
    done = { value: value as T };
  } else {
    then.call(
      value,
      (value: T) => void (done = { value }),
      (error: unknown) => void (done = { error }),
    );
  }
  do drain();
  while (!done && !failure() && fireNext());
  if (done && "error" in done) throw done.error;
  const failed = failure();
  if (failed) throw failed.error;
  if (!done) throw new NeverSettles("the handler awaits a promise that nothing settles");
  return done.value;
}

/** Told of rejections that nobody handled. */
export function onUnhandled(report: (error: unknown) => void): void {
  PromisePolyfill._unhandledRejectionFn = report;
}

const statics = {
  withResolvers() {
    let resolve: unknown;
    let reject: unknown;
    const promise = new PromisePolyfill((yes, no) => {
      resolve = yes;
      reject = no;
    });
    return { promise, resolve, reject };
  },
  try(call: (...given: unknown[]) => unknown, ...given: unknown[]) {
    return new PromisePolyfill((resolve) => resolve(call(...given)));
  },
};

PromisePolyfill._immediateFn = enqueue;
Object.assign(PromisePolyfill, statics);
Object.assign(globalThis, { Promise: PromisePolyfill });

// The engine's own would give a promise of the engine's own, whose jobs nobody runs.
Object.assign(Array, {
  async fromAsync(items: AsyncIterable<unknown> | Iterable<unknown>, map?: (item: unknown, at: number) => unknown) {
    const all: unknown[] = [];
    for await (const item of items) all.push(map ? await map(item, all.length) : item);
    return all;
  },
});
