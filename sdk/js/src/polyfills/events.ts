/** Events and abort signals, as far as libraries use them on themselves. Nothing is aborted by time: the host stops a run that takes too long. */

type Listener = ((event: unknown) => void) | { handleEvent(event: unknown): void };

class Happening {
  defaultPrevented = false;
  target: unknown = null;

  constructor(readonly type: string) {}

  preventDefault(): void {
    this.defaultPrevented = true;
  }
}

class Target {
  readonly #listeners = new Map<string, Listener[]>();

  addEventListener(type: string, listener: Listener): void {
    const all = this.#listeners.get(type) ?? [];
    if (!all.includes(listener)) this.#listeners.set(type, [...all, listener]);
  }

  removeEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, (this.#listeners.get(type) ?? []).filter((other) => other !== listener));
  }

  dispatchEvent(event: Happening): boolean {
    event.target = this;
    for (const listener of this.#listeners.get(event.type) ?? []) {
      if (typeof listener === "function") listener.call(this, event);
      else listener.handleEvent(event);
    }
    return !event.defaultPrevented;
  }
}

class Signal extends Target {
  aborted = false;
  reason: unknown;
  onabort: ((event: Happening) => void) | null = null;

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  static abort(reason?: unknown): Signal {
    const controller = new Controller();
    controller.abort(reason);
    return controller.signal;
  }

  static timeout(): Signal {
    return new Signal();
  }
}

class Controller {
  readonly signal = new Signal();

  abort(reason: unknown = new DOMException("This operation was aborted", "AbortError")): void {
    if (this.signal.aborted) return;
    Object.assign(this.signal, { aborted: true, reason });
    const event = new Happening("abort");
    this.signal.onabort?.(event);
    this.signal.dispatchEvent(event);
  }
}

Object.assign(globalThis, { Event: Happening, EventTarget: Target, AbortSignal: Signal, AbortController: Controller });
