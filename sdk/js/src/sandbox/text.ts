/** UTF-8 and back. What is done byte by byte in the interpreter costs fifty times what the engine's own base64 and URI functions cost. */

declare global {
  interface Uint8ArrayConstructor {
    fromBase64(text: string): Uint8Array<ArrayBuffer>;
  }
  interface Uint8Array {
    toBase64(): string;
  }
}

const NOT_UTF8 = "\ufffd";

const ASCII = /^[\0-\x7f]*$/;

/** The UTF-8 of a text; half surrogates become U+FFFD. */
export function encode(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromBase64(btoa(ASCII.test(text) ? text : unescape(encodeURIComponent(text.toWellFormed()))));
}

/** The text of UTF-8; undefined where the bytes are none. */
function strict(bytes: Uint8Array): string | undefined {
  const binary = atob(bytes.toBase64());
  try {
    return decodeURIComponent(escape(binary));
  } catch {
    return undefined;
  }
}

/** The text of UTF-8, with U+FFFD where the bytes are none. */
function lossy(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at] as number;
    const length = lead < 0x80 ? 1 : lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 1;
    const whole = strict(bytes.subarray(at, at + length));
    text += whole ?? NOT_UTF8;
    at += whole === undefined ? 1 : length;
  }
  return text;
}

/** The bytes of a buffer or a view. */
export function bytesOf(input: ArrayBuffer | ArrayBufferView): Uint8Array {
  if (input instanceof Uint8Array) return input;
  return ArrayBuffer.isView(input) ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength) : new Uint8Array(input);
}

/** The text of UTF-8 bytes, with U+FFFD where they are none. */
export function decode(bytes: Uint8Array): string {
  return strict(bytes) ?? lossy(bytes);
}

class Encoder {
  readonly encoding = "utf-8";

  encode(text = ""): Uint8Array {
    return encode(String(text));
  }

  encodeInto(text: string, target: Uint8Array): { read: number; written: number } {
    let read = 0;
    let written = 0;
    for (const character of text) {
      const bytes = encode(character);
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      written += bytes.length;
      read += character.length;
    }
    return { read, written };
  }
}

class Decoder {
  readonly encoding = "utf-8";
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;

  constructor(label = "utf-8", options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
    if (!/^\s*(utf-?8|unicode-1-1-utf-8|ascii|us-ascii)\s*$/i.test(label)) throw new RangeError(`TextDecoder knows utf-8, not ${label}`);
    this.fatal = options.fatal ?? false;
    this.ignoreBOM = options.ignoreBOM ?? false;
  }

  decode(input?: ArrayBuffer | ArrayBufferView): string {
    if (!input) return "";
    const bytes = bytesOf(input);
    const whole = strict(bytes);
    if (whole === undefined && this.fatal) throw new TypeError("the bytes are not UTF-8");
    const text = whole ?? lossy(bytes);
    return !this.ignoreBOM && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }
}

Object.assign(globalThis, { TextEncoder: Encoder, TextDecoder: Decoder });
