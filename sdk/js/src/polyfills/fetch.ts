/**
 * `fetch` over the contract's `http`: what `[[http]]` of bot.toml allows, asked once for the run. The whole of a request and of an answer is in memory, and a
 * request is over when `fetch` returns; so nothing streams and nothing can be aborted.
 */

import { HttpError } from "../error.js";
import { sandbox } from "../sandbox/contract.js";
import { bytesOf, decode, encode } from "../sandbox/text.js";

type HeadersGiven = Headers | Record<string, string> | Iterable<[string, string]> | undefined;
type BodyGiven = string | ArrayBuffer | ArrayBufferView | Blob | { toString(): string } | null | undefined;

/** Header fields; names are told apart without case. */
export class Headers {
  readonly #fields = new Map<string, string>();

  constructor(given?: HeadersGiven) {
    if (!given) return;
    const pairs = Symbol.iterator in given ? given : Object.entries(given);
    for (const [name, value] of pairs) this.append(name, value);
  }

  append(name: string, value: string): void {
    const known = this.get(name);
    this.set(name, known === null ? String(value) : `${known}, ${value}`);
  }

  set(name: string, value: string): void {
    this.#fields.set(String(name).toLowerCase(), String(value));
  }

  get(name: string): string | null {
    return this.#fields.get(String(name).toLowerCase()) ?? null;
  }

  has(name: string): boolean {
    return this.#fields.has(String(name).toLowerCase());
  }

  delete(name: string): void {
    this.#fields.delete(String(name).toLowerCase());
  }

  forEach(each: (value: string, name: string, all: Headers) => void): void {
    for (const [name, value] of this.#fields) each(value, name, this);
  }

  entries(): IterableIterator<[string, string]> {
    return this.#fields.entries();
  }

  keys(): IterableIterator<string> {
    return this.#fields.keys();
  }

  values(): IterableIterator<string> {
    return this.#fields.values();
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.entries();
  }
}

/** Bytes with a media type. */
export class Blob {
  readonly #bytes: Uint8Array;

  constructor(
    parts: BodyGiven[] = [],
    readonly options: { type?: string } = {},
  ) {
    const all = parts.map(bodyBytes);
    this.#bytes = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of all) {
      this.#bytes.set(part, at);
      at += part.length;
    }
  }

  get type(): string {
    return this.options.type ?? "";
  }

  get size(): number {
    return this.#bytes.length;
  }

  content(): Uint8Array {
    return this.#bytes;
  }

  async text(): Promise<string> {
    return decode(this.#bytes);
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return this.#bytes.slice().buffer as ArrayBuffer;
  }
}

/** The bytes of whatever may be a body. */
export function bodyBytes(body: BodyGiven): Uint8Array {
  if (body === null || body === undefined) return new Uint8Array(0);
  if (typeof body === "string") return encode(body);
  if (body instanceof Blob) return body.content();
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return bytesOf(body);
  return encode(body.toString());
}

class Body {
  bodyUsed = false;
  protected readonly bytes: Uint8Array;

  constructor(body?: BodyGiven) {
    this.bytes = bodyBytes(body);
  }

  async text(): Promise<string> {
    this.bodyUsed = true;
    return decode(this.bytes);
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    this.bodyUsed = true;
    return this.bytes.slice().buffer as ArrayBuffer;
  }

  async blob(): Promise<Blob> {
    this.bodyUsed = true;
    return new Blob([this.bytes]);
  }
}

interface ResponseInit {
  status?: number;
  statusText?: string;
  headers?: HeadersGiven;
}

/** What came back. */
export class Response extends Body {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  readonly redirected = false;
  readonly type = "basic";

  constructor(
    body?: BodyGiven,
    init: ResponseInit = {},
    readonly url = "",
  ) {
    super(body);
    this.status = init.status ?? 200;
    this.statusText = init.statusText ?? "";
    this.headers = new Headers(init.headers);
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  clone(): Response {
    return new Response(this.bytes, this, this.url);
  }

  static json(value: unknown, init: ResponseInit = {}): Response {
    const headers = new Headers(init.headers);
    if (!headers.has("content-type")) headers.set("content-type", "application/json");
    return new Response(JSON.stringify(value), { ...init, headers });
  }
}

interface RequestInit {
  method?: string;
  headers?: HeadersGiven;
  body?: BodyGiven;
}

/** What is to be sent. */
export class Request extends Body {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;

  constructor(input: string | URL | Request, init: RequestInit = {}) {
    const before = input instanceof Request ? input : undefined;
    super(init.body ?? before?.bytes);
    this.url = before?.url ?? String(input);
    this.method = (init.method ?? before?.method ?? "GET").toUpperCase();
    this.headers = new Headers(init.headers ?? before?.headers);
    if (typeof init.body === "string" && !this.headers.has("content-type")) this.headers.set("content-type", "text/plain;charset=UTF-8");
    if (init.body instanceof URLSearchParams && !this.headers.has("content-type")) {
      this.headers.set("content-type", "application/x-www-form-urlencoded;charset=UTF-8");
    }
  }

  content(): Uint8Array {
    return this.bytes;
  }
}

/** Asks somebody outside. What the host does not send is a `TypeError`, as it is elsewhere; its cause is the host's. */
export async function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init);
  try {
    const { method, url } = request;
    const answer = sandbox.ask({ method, url, headers: [...request.headers], body: request.content() });
    return new Response(answer.body, { status: answer.status, headers: answer.headers }, url);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    throw new TypeError(`fetch failed: ${error.message}`, { cause: error });
  }
}

Object.assign(globalThis, { fetch, Headers, Request, Response, Blob });
