/**
 * `URL` and `URLSearchParams`: core-js's, with a short way for plain URLs. To parse one by the standard takes the interpreter half a millisecond, of which Medplum's
 * client wants several for each call; most are plain: HTTP, a name as host, nothing to escape. Whatever is not is core-js's.
 */

import "core-js/actual/url";
import { Parameters } from "./parameters.js";

const Whole = globalThis.URL;

const PLAIN = /^(https?:)\/\/([a-z0-9][a-z0-9.-]*\.[a-z][a-z0-9-]*)((?:\/[\w\-.~!$&()*+,;=:@|%]*)*)(\?[\w\-.~!$&()*+,;=:@|/?%]+)?(#[\w\-.~!$&()*+,;=:@|/?%]+)?$/;
/** A path below a base. A colon would be a scheme's. */
const BELOW = /^[\w\-~$][\w\-.~$&*+,;=@|%]*(?:\/[\w\-.~!$&()*+,;=:@|%]*)*(?:\?[\w\-.~!$&()*+,;=:@|/?%]+)?$/;
/** What the standard resolves, decodes or refuses. Not an expression: the interpreter's would try each at each place. */
const ODD = ["/.", "..", "-.", ".-", "%2e", "%2E", "xn--"];

const NAMES = ["protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"] as const;
type Name = (typeof NAMES)[number];
type Parts = Readonly<Record<Name | "href", string>>;

/** What was looked at last. The client makes the URL of a search four times before it asks, and that of a type for each resource it gets. */
const known = new Map<string, Parts | undefined>();
const KNOWN = 64;

function plain(text: string): Parts | undefined {
  if (known.has(text)) return known.get(text);
  if (known.size === KNOWN) known.clear();
  const parts = partsOf(text);
  known.set(text, parts);
  return parts;
}

function partsOf(text: string): Parts | undefined {
  const found = PLAIN.exec(text);
  if (!found || isOdd(text)) return undefined;
  const [, protocol = "", host = "", path = "", search = "", hash = ""] = found;
  const pathname = path || "/";
  const href = `${protocol}//${host}${pathname}${search}${hash}`;
  return { href, protocol, username: "", password: "", host, hostname: host, port: "", pathname, search, hash };
}

function isOdd(text: string): boolean {
  return ODD.some((part) => text.includes(part));
}

/** A URL without search and hash. */
function bare(href: string): string {
  return (href.split("#", 1)[0] as string).split("?", 1)[0] as string;
}

function whole(url: URL): Parts {
  return Object.fromEntries([...NAMES, "href" as const].map((name) => [name, url[name]])) as Parts;
}

function parsed(text: string, base: string | undefined): Parts {
  const short = plain(text);
  if (short) return short;
  if (base !== undefined && BELOW.test(text)) {
    const root = plain(base);
    const joined = root && plain(`${root.protocol}//${root.host}${root.pathname.slice(0, root.pathname.lastIndexOf("/") + 1)}${text}`);
    if (joined) return joined;
  }
  return whole(new Whole(text, base));
}

class Address {
  #parts: Parts;
  #parameters: Parameters | undefined;

  constructor(input: unknown, base?: unknown) {
    this.#parts = parsed(String(input), base === undefined ? undefined : String(base));
  }

  static canParse(input: unknown, base?: unknown): boolean {
    try {
      return new Address(input, base) !== undefined;
    } catch {
      return false;
    }
  }

  static parse(input: unknown, base?: unknown): Address | null {
    return Address.canParse(input, base) ? new Address(input, base) : null;
  }

  get href(): string {
    return this.#parts.href;
  }

  set href(value: string) {
    this.#take(parsed(String(value), undefined));
  }

  get origin(): string {
    const { protocol, host } = this.#parts;
    return ["http:", "https:", "ws:", "wss:", "ftp:"].includes(protocol) ? `${protocol}//${host}` : "null";
  }

  get searchParams(): Parameters {
    this.#parameters ??= new Parameters(this.#parts.search).tell(() => this.#follow());
    return this.#parameters;
  }

  get(name: Name): string {
    return this.#parts[name];
  }

  set(name: Name, value: string): void {
    // The client sets a search that it has just encoded.
    const short = name === "search" && value !== "" ? plain(`${bare(this.href)}?${value.startsWith("?") ? value.slice(1) : value}${this.#parts.hash}`) : undefined;
    if (short) return this.#take(short);
    const url = new Whole(this.href);
    url[name] = value;
    this.#take(whole(url));
  }

  toString(): string {
    return this.href;
  }

  toJSON(): string {
    return this.href;
  }

  /** Does what was done to the parameters. */
  #follow(): void {
    const text = String(this.#parameters ?? "");
    const url = `${bare(this.href)}${text && `?${text}`}${this.#parts.hash}`;
    this.#parts = plain(url) ?? whole(new Whole(url));
  }

  #take(parts: Parts): void {
    this.#parts = parts;
    this.#parameters?.take(parts.search);
  }
}

for (const name of NAMES) {
  Object.defineProperty(Address.prototype, name, {
    get(this: Address) {
      return this.get(name);
    },
    set(this: Address, value: unknown) {
      this.set(name, String(value));
    },
    enumerable: true,
    configurable: true,
  });
}

Object.assign(globalThis, { URL: Address, URLSearchParams: Parameters });
