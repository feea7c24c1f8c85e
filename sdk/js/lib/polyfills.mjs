// What QuickJS lacks and only some bots use: bundled where the bundle names it. Loaded when the component is built, so a run pays for none of it before
// it is called.

import path from "node:path";

const own = (file) => ({ sdk }) => [path.join(sdk, "src/polyfills", file)];

/** By name: whether a bundle wants it, and the modules that install it. Order is that of loading. */
export const POLYFILLS = {
  url: { wanted: (text) => /\bURL(SearchParams)?\b/.test(text), imports: own("url.ts") },
  clone: { wanted: (text) => /\bstructuredClone\b/.test(text), imports: own("clone.ts") },
  events: { wanted: (text) => /\b(Abort(Controller|Signal)|EventTarget|CustomEvent)\b/.test(text), imports: own("events.ts") },
  buffer: { wanted: (text) => /\bBuffer\b(?!\.isBuffer)/.test(text), imports: own("buffer.ts") },
  fetch: { wanted: (text) => /\b(fetch|Headers|Response|Request)\b\s*[(.]|\bfetch\b/.test(text), imports: own("fetch.ts") },
  intl: {
    wanted: (text) => /\bIntl\b|\.toLocale(Date|Time)?String\(/.test(text),
    imports: ({ sdk, locales }) => [
      path.join(sdk, "src/polyfills/intl.ts"),
      ...["en", ...locales].flatMap((locale) => ["intl-pluralrules", "intl-numberformat", "intl-datetimeformat"].map((name) => path.join(sdk, `node_modules/@formatjs/${name}/locale-data/${locale}.js`))),
      path.join(sdk, "src/polyfills/intl-zones.ts"),
      path.join(sdk, "node_modules/@formatjs/intl-datetimeformat/add-all-tz.js"),
      path.join(sdk, "src/polyfills/intl-ready.ts"),
    ],
  },
};
