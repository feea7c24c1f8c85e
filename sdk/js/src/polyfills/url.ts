/**
 * `URL` and `URLSearchParams`: core-js's, with a short way for plain URLs. To parse one by the standard takes the interpreter half a millisecond, of which Medplum's
 * client wants several for each call; most are plain: HTTP, a name as host, nothing to escape. Whatever is not is core-js's.
 */

import "core-js/actual/url";
import "core-js/actual/url-search-params";

const Whole = globalThis.URL;
const Parameters = globalThis.URLSearchParams;

const PLAIN = /^(https?:)\/\/([a-z0-9][a-z0-9.-]*\.[a-z][a-z0-9-]*)((?:\/[\w\-.~!$&()*+,;=:@|%]*)*)(\?[\w\-.~!$&()*+,;=:@|/?%]+)?(#[\w\-.~!$&()*+,;=:@|/?%]+)?$/;
/** A path below a base. A colon would be a scheme's. */
const BELOW = /^[\w\-~$][\w\-.~$&*+,;=@|%]*(?:\/[\w\-.~!$&()*+,;=:@|%]*)*(?:\?[\w\-.~!$&()*+,;=:@|/?%]+)?$/;
/** What the standard resolves, decodes or refuses. */
const ODD = /\/\.|^\.|%2e|xn--|\.\.|-\.|\.-/i;

const NAMES = ["protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"] as const;
type Name = (typeof NAMES)[number];
type Parts = Record<Name | "href", string>;

function plain(text: string): Parts | undefined {
  const found = PLAIN.exec(text);
  if (!found || ODD.test(text)) return undefined;
  const [, protocol = "", host = "", path = "", search = "", hash = ""] = found;
  const pathname = path || "/";
  const href = `${protocol}//${host}${pathname}${search}${hash}`;
  return { href, protocol, username: "", password: "", host, hostname: host, port: "", pathname, search, hash };
}

function whole(url: URL): Parts {
  return Object.fromEntries([...NAMES, "href" as const].map((name) => [name, url[name]])) as Parts;
}

function parsed(text: string, base: string | undefined): Parts {
  const short = plain(text);
  if (short) return short;
  if (base !== undefined && BELOW.test(text) && !ODD.test(text)) {
    const root = plain(base);
    const joined = root && plain(`${root.protocol}//${root.host}${root.pathname.slice(0, root.pathname.lastIndexOf("/") + 1)}${text}`);
    if (joined) return joined;
  }
  return whole(new Whole(text, base));
}

/** The parameters of a URL, which follows what is done to them. */
class Linked extends Parameters {
  #tell: (() => void) | undefined;

  /** Takes another search without telling. */
  take(search: string, tell: () => void): this {
    this.#tell = undefined;
    for (const name of [...this.keys()]) super.delete(name);
    for (const [name, value] of new Parameters(search)) super.append(name, value);
    this.#tell = tell;
    return this;
  }

  override append(name: string, value: string): void {
    super.append(name, value);
    this.#tell?.();
  }

  override set(name: string, value: string): void {
    super.set(name, value);
    this.#tell?.();
  }

  override delete(name: string, value?: string): void {
    super.delete(name, value);
    this.#tell?.();
  }

  override sort(): void {
    super.sort();
    this.#tell?.();
  }
}

class Address {
  #parts: Parts;
  #parameters: Linked | undefined;

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

  get searchParams(): URLSearchParams {
    this.#parameters ??= new Linked().take(this.#parts.search, this.#told);
    return this.#parameters;
  }

  get(name: Name): string {
    return this.#parts[name];
  }

  set(name: Name, value: string): void {
    // The client sets a search that it has just encoded.
    const short = name === "search" && value !== "" ? plain(`${this.href.replace(/[?#].*$/s, "")}?${value.replace(/^\?/, "")}${this.#parts.hash}`) : undefined;
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

  readonly #told = (): void => {
    const text = String(this.#parameters ?? "");
    const url = `${this.href.replace(/[?#].*$/s, "")}${text && `?${text}`}${this.#parts.hash}`;
    this.#parts = plain(url) ?? whole(new Whole(url));
  };

  #take(parts: Parts): void {
    this.#parts = parts;
    this.#parameters?.take(parts.search, this.#told);
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

Object.assign(globalThis, { URL: Address });
