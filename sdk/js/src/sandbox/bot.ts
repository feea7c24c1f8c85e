/** The entry of a bot in this SDK's own style. */

import { eventOf } from "../event.js";
import { hostOf } from "../host.js";
import type { Handler } from "../index.js";
import type { Payload } from "../event.js";
import { sandbox } from "./contract.js";
import { fieldsOf, serve, type WitEvent } from "./serve.js";

/** The component's `handle` of a bot's function. */
export function component(handle: Handler): (raw: WitEvent) => Payload | null {
  const host = hostOf(sandbox);
  return serve((raw) => handle(eventOf(fieldsOf(raw)), host));
}
