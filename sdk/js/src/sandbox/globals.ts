/** What QuickJS lacks and every bot may expect. First in a bundle: libraries look for it when they are loaded. */

import "./loop.js";
import "./text.js";
import "./random.js";
import "./console.js";

const self = globalThis as Record<string, unknown>;
self["global"] = globalThis;
self["self"] = globalThis;
