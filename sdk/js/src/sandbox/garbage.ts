/**
 * When to look for circles of garbage. The build turns the engine's own looks off: the first would touch all of the memory that a run takes as it was from the
 * build, and a page that is touched is copied. Most runs end before there is anything to find; a long one leaves about a kilobyte for each `await`.
 */

/** Jobs between two looks: some six megabytes of what they leave. */
const JOBS = 16_384;
/** Text read between two looks. */
const TEXT = 8 << 20;

let jobs = 0;
let text = 0;

function collect(): void {
  jobs = 0;
  text = 0;
  (globalThis as unknown as { __cqjs: { runGc(): void } }).__cqjs.runGc();
}

/** A job was done. */
export function didJob(): void {
  jobs += 1;
  if (jobs === JOBS) collect();
}

/** A text of this length was read. */
export function readText(length: number): void {
  text += length;
  if (text > TEXT) collect();
}
