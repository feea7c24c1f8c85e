/** Of Node's module `crypto`: randomness and hashes. */

import { hmac } from "@noble/hashes/hmac.js";
import { md5, sha1 } from "@noble/hashes/legacy.js";
import { sha256, sha384, sha512 } from "@noble/hashes/sha2.js";
import { Buffer } from "buffer/";

const HASHES = { md5, sha1, sha256, sha384, sha512 };
type Given = string | Uint8Array;

const bytes = (given: Given): Uint8Array => (typeof given === "string" ? new TextEncoder().encode(given) : given);

function hashOf(algorithm: string): (typeof HASHES)[keyof typeof HASHES] {
  const hash = HASHES[algorithm.toLowerCase().replace("-", "") as keyof typeof HASHES];
  if (!hash) throw new Error(`the sandbox has no hash ${algorithm}: it has ${Object.keys(HASHES).join(", ")}`);
  return hash;
}

function digester(hash: { update(bytes: Uint8Array): unknown; digest(): Uint8Array }) {
  const it = {
    update(given: Given) {
      hash.update(bytes(given));
      return it;
    },
    digest(encoding?: string) {
      const digest = Buffer.from(hash.digest());
      return encoding ? digest.toString(encoding) : digest;
    },
  };
  return it;
}

export const createHash = (algorithm: string) => digester(hashOf(algorithm).create());
export const createHmac = (algorithm: string, key: Given) => digester(hmac.create(hashOf(algorithm), bytes(key)));
export const randomUUID = (): string => crypto.randomUUID();
export const randomBytes = (length: number) => Buffer.from(crypto.getRandomValues(new Uint8Array(length)));

export function timingSafeEqual(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) throw new RangeError("both must be of one length");
  return one.reduce((differ, byte, at) => differ | (byte ^ (other[at] as number)), 0) === 0;
}

export default { createHash, createHmac, randomUUID, randomBytes, timingSafeEqual };
