/** What is to be done, and the timers, which stand in for waiting: one fires when nothing else is left, in the order of what was asked for. */

import { didJob } from "./garbage.js";

type Job = () => void;

const jobs: Job[] = [];
const timers: { id: number; due: number; fire: Job }[] = [];
let lastTimer = 0;
/** What the timers' clock shows: the due time of the last that fired. */
let now = 0;
let failed: { error: unknown } | undefined;

/** The first error that a job let out. */
export function failure(): { error: unknown } | undefined {
  return failed;
}

/** Does this after all that is to be done before. */
export function enqueue(job: Job): void {
  jobs.push(job);
}

/** Does all that is to be done. */
export function drain(): void {
  // By index: to shift each off would move all that follow.
  for (let at = 0; at < jobs.length; at++) {
    const job = jobs[at] as Job;
    try {
      job();
    } catch (error) {
      failed ??= { error };
    }
    didJob();
    if (at === 1023) {
      jobs.splice(0, at + 1);
      at = -1;
    }
  }
  jobs.length = 0;
}

/** Lets the timer that is due first fire; false where there is none. */
export function fireNext(): boolean {
  let first = 0;
  if (timers.length === 0) return false;
  for (let at = 1; at < timers.length; at++) {
    if ((timers[at]?.due ?? 0) < (timers[first]?.due ?? 0)) first = at;
  }
  const [timer] = timers.splice(first, 1);
  now = Math.max(now, timer?.due ?? 0);
  enqueue(() => timer?.fire());
  return true;
}

function start(every: boolean, callback: (...given: unknown[]) => void, delay: unknown, given: unknown[]): number {
  const id = ++lastTimer;
  const wait = Math.max(every ? 1 : 0, Number(delay) || 0);
  const fire = () => {
    if (every) timers.push({ id, due: now + wait, fire });
    callback(...given);
  };
  timers.push({ id, due: now + wait, fire });
  return id;
}

function stop(id: unknown): void {
  const at = timers.findIndex((timer) => timer.id === id);
  if (at >= 0) timers.splice(at, 1);
}

Object.assign(globalThis, {
  queueMicrotask: enqueue,
  setTimeout: (callback: Job, delay?: unknown, ...given: unknown[]) => start(false, callback, delay, given),
  setInterval: (callback: Job, delay?: unknown, ...given: unknown[]) => start(true, callback, delay, given),
  setImmediate: (callback: Job, ...given: unknown[]) => start(false, callback, 0, given),
  clearTimeout: stop,
  clearInterval: stop,
  clearImmediate: stop,
});
