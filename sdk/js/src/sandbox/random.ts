/** Randomness of the run. The engine's own generator was seeded when the component was built, and would give every run the same. */

import random from "wasi:random/random";

function fill<T extends ArrayBufferView>(view: T): T {
  const bytes = random.getRandomBytes(view.byteLength);
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(bytes);
  return view;
}

function uuid(): string {
  const bytes = random.getRandomBytes(16);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** 53 bits of it at a time, as the language has it. */
function fraction(): number {
  const [low, high] = fill(new Uint32Array(2));
  return ((high as number) >>> 5) / 134_217_728 + ((low as number) >>> 6) / 9_007_199_254_740_992;
}

Math.random = fraction;
Object.assign(globalThis, { crypto: { getRandomValues: fill, randomUUID: uuid } });
