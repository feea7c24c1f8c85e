// The contract's interfaces as componentize-qjs gives them: results are returned or thrown (`error.payload`), options are null where there is nothing.

declare module "hob:bot/document" {
  class Document {
    static parse(body: Uint8Array): Document;
    get(pointer: string): string | null;
    fhirpath(expression: string, variables: string | null): string;
    bytes(): Uint8Array;
    [Symbol.dispose](): void;
  }
  const it: { Document: typeof Document };
  export default it;
  export type { Document };
}

declare module "hob:bot/fhir" {
  import type { Document } from "hob:bot/document";
  export interface Page {
    bundle: Document;
    next: string | null;
  }
  export interface FhirFailure {
    code: string;
    status: number | null;
    message: string;
    outcome: string | null;
  }
  export interface Created {
    reference: string;
    isFinal: boolean;
    existed: boolean;
  }
  const it: {
    read(reference: string): Document;
    vread(reference: string, version: string): Document;
    history(reference: string): Page;
    search(type: string, query: string): Page;
    operation(name: string, reference: string, query: string): Page;
    more(next: string): Page;
    batch(requests: { url: string }[]): ({ tag: "ok"; val: Document } | { tag: "err"; val: FhirFailure })[];
    create(body: Uint8Array, ifNoneExist: string | null): Created;
    update(body: Uint8Array): void;
    patch(reference: string, body: string): void;
    delete(reference: string): void;
    guard(reference: string, version: string): void;
  };
  export default it;
}

declare module "hob:bot/timers" {
  const it: { set(key: string, at: string, payload: string): void; cancel(key: string): void };
  export default it;
}

declare module "hob:bot/outbox" {
  const it: {
    send(request: { key: string; method: string; url: string; headers: [string, string][]; body: Uint8Array }): void;
  };
  export default it;
}

declare module "hob:bot/http" {
  const it: {
    send(request: { method: string; url: string; headers: [string, string][]; body: Uint8Array }): {
      status: number;
      headers: [string, string][];
      body: Uint8Array;
    };
  };
  export default it;
}

declare module "hob:bot/settings" {
  const it: { get(name: string): string | null };
  export default it;
}

declare module "hob:bot/secrets" {
  const it: {
    placeholder(name: string): string;
    sign(name: string, algorithm: string, bytes: Uint8Array): Uint8Array;
    expose(name: string): string;
  };
  export default it;
}

declare module "wasi:cli/stdout" {
  const it: { getStdout(): { blockingWriteAndFlush(contents: Uint8Array): void } };
  export default it;
}

declare module "wasi:random/random" {
  const it: { getRandomBytes(length: number): Uint8Array };
  export default it;
}
