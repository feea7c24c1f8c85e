/**
 * `URLSearchParams`, as the standard has them (https://url.spec.whatwg.org/#interface-urlsearchparams). Not core-js's: Medplum's client makes them twice for each search,
 * and core-js's take the interpreter a tenth of such a bot's run.
 */

type Pair = [name: string, value: string];

/** What one may be made of. */
type Init = string | Iterable<Iterable<unknown>> | Record<string, unknown> | undefined | null;

const PLUS = /\+/g;
/** What `encodeURIComponent` leaves and a form does not, and the space, which is a plus there. */
const LEFT = /[!'()~]|%20/g;
const ESCAPES: Record<string, string> = { "!": "%21", "'": "%27", "(": "%28", ")": "%29", "~": "%7E", "%20": "+" };
/** Nothing of these is escaped, and nothing else is in most names. */
const PLAIN = /^[\w.*-]*$/;

function encoded(text: string): string {
  if (PLAIN.test(text)) return text;
  return encodeURIComponent(text.toWellFormed()).replace(LEFT, (found) => ESCAPES[found] as string);
}

function decoded(text: string): string {
  const spaced = text.includes("+") ? text.replace(PLUS, " ") : text;
  if (!spaced.includes("%")) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    // What is no escape stays as it is; bytes that are no UTF-8 become U+FFFD.
    return spaced.replace(/(?:%[0-9a-f]{2})+/gi, (run) => new TextDecoder().decode(Uint8Array.from(run.slice(1).split("%"), (byte) => parseInt(byte, 16))));
  }
}

function parsed(text: string): Pair[] {
  const query = text.startsWith("?") ? text.slice(1) : text;
  const pairs: Pair[] = [];
  for (const part of query.split("&")) {
    if (part === "") continue;
    const at = part.indexOf("=");
    pairs.push(at < 0 ? [decoded(part), ""] : [decoded(part.slice(0, at)), decoded(part.slice(at + 1))]);
  }
  return pairs;
}

function pairOf(item: Iterable<unknown>): Pair {
  const pair = [...item];
  if (pair.length !== 2) throw new TypeError("each of the parameters must be a name and a value");
  return [String(pair[0]).toWellFormed(), String(pair[1]).toWellFormed()];
}

function pairsOf(init: Init): Pair[] {
  if (init === undefined) return [];
  if (init === null || (typeof init !== "object" && typeof init !== "function")) return parsed(String(init).toWellFormed());
  if (init instanceof Parameters) return [...init];
  if (Symbol.iterator in init) return Array.from(init as Iterable<Iterable<unknown>>, pairOf);
  const pairs = new Map<string, string>();
  for (const [name, value] of Object.entries(init)) pairs.set(name.toWellFormed(), String(value).toWellFormed());
  return [...pairs];
}

/** The parameters of a URL, or of none. */
export class Parameters {
  #pairs: Pair[];
  #told: (() => void) | undefined;

  constructor(init?: Init) {
    this.#pairs = pairsOf(init);
  }

  /** Tells of each change from now on. */
  tell(told: () => void): this {
    this.#told = told;
    return this;
  }

  /** Takes those of another search, without telling. */
  take(search: string): void {
    this.#pairs = parsed(search);
  }

  get size(): number {
    return this.#pairs.length;
  }

  append(name: unknown, value: unknown): void {
    this.#pairs.push(pairOf([name, value]));
    this.#told?.();
  }

  delete(name: unknown, value?: unknown): void {
    const is = matching(name, value);
    this.#pairs = this.#pairs.filter((pair) => !is(pair));
    this.#told?.();
  }

  get(name: unknown): string | null {
    return this.#pairs.find(matching(name))?.[1] ?? null;
  }

  getAll(name: unknown): string[] {
    return this.#pairs.filter(matching(name)).map(([, value]) => value);
  }

  has(name: unknown, value?: unknown): boolean {
    return this.#pairs.some(matching(name, value));
  }

  set(name: unknown, value: unknown): void {
    const [wanted, text] = pairOf([name, value]);
    const first = this.#pairs.findIndex((pair) => pair[0] === wanted);
    if (first < 0) {
      this.#pairs.push([wanted, text]);
    } else {
      this.#pairs = this.#pairs.filter((pair, at) => at <= first || pair[0] !== wanted);
      this.#pairs[first] = [wanted, text];
    }
    this.#told?.();
  }

  /** By name, in UTF-16; those of one name stay in their order. */
  sort(): void {
    this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    this.#told?.();
  }

  forEach(each: (value: string, name: string, all: Parameters) => void, self?: unknown): void {
    for (const [name, value] of this) each.call(self, value, name, this);
  }

  *entries(): IterableIterator<Pair> {
    // By index: what is added on the way is seen.
    for (let at = 0; at < this.#pairs.length; at++) yield [...(this.#pairs[at] as Pair)];
  }

  *keys(): IterableIterator<string> {
    for (const [name] of this) yield name;
  }

  *values(): IterableIterator<string> {
    for (const [, value] of this) yield value;
  }

  [Symbol.iterator](): IterableIterator<Pair> {
    return this.entries();
  }

  toString(): string {
    return this.#pairs.map(([name, value]) => `${encoded(name)}=${encoded(value)}`).join("&");
  }

  get [Symbol.toStringTag](): string {
    return "URLSearchParams";
  }
}

function matching(name: unknown, value?: unknown): (pair: Pair) => boolean {
  const wanted = String(name).toWellFormed();
  const text = value === undefined ? undefined : String(value).toWellFormed();
  return (pair) => pair[0] === wanted && (text === undefined || pair[1] === text);
}
