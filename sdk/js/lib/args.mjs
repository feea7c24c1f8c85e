// The command line.

import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { BuildError } from "./errors.mjs";

export const USAGE = `hob-componentize [OPTIONS] [ENTRY]

Makes a Hob bot's component of TypeScript: checks the types, bundles, and compiles for the sandbox.

ENTRY is the bot's file; src/bot.ts, src/index.ts, bot.ts or index.ts unless given. It exports \`handle(event, hob)\`, or, with --medplum,
\`handler(medplum, event)\`.

  -o, --out FILE       the component (default: dist/NAME.wasm)
      --medplum        a bot in Medplum's style, on the real client of @medplum/core
      --name NAME      the bot's name (default: the entry's file name, or its folder's for bot.ts and index.ts)
      --no-check       bundle without checking types
      --quick          for its author, who waits: a smaller and slower interpreter, built in half the time
      --tsconfig FILE  for the check and for esbuild (default: the nearest tsconfig.json)
      --locale NAME    of Intl, as well as en; may be repeated
      --wit DIR        the contract (default: sdk/wit of the checkout)
      --json           print one JSON object, for programs
  -h, --help           print this

Exit codes: 0 built, 1 the bot cannot be built, 2 wrong usage, 69 something of the toolchain is missing.

Examples:
  npx hob-componentize src/bot.ts
  npx hob-componentize --medplum src/hello-patient.ts -o dist/hello-patient.wasm
`;

const ENTRIES = ["src/bot.ts", "src/index.ts", "bot.ts", "index.ts"];

/** @param {string[]} argv */
export function readArgs(argv) {
  let parsed;
  try {
    parsed = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        out: { type: "string", short: "o" },
        medplum: { type: "boolean", default: false },
        name: { type: "string" },
        "no-check": { type: "boolean", default: false },
        quick: { type: "boolean", default: false },
        tsconfig: { type: "string" },
        locale: { type: "string", multiple: true, default: [] },
        wit: { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    throw new BuildError("usage", error.message.split(". To specify")[0], { help: "see `hob-componentize --help`" });
  }
  const { values, positionals } = parsed;
  if (values.help) return { help: true };
  if (positionals.length > 1) {
    throw new BuildError("usage", `one entry is built at a time, not ${positionals.length}`, { help: "run it once for each bot" });
  }
  const entry = positionals[0] ?? ENTRIES.find((file) => existsSync(file));
  if (!entry) {
    throw new BuildError("entry", `there is no bot here: none of ${ENTRIES.join(", ")} exists`, { help: "give the file: `hob-componentize FILE`" });
  }
  if (!existsSync(entry) || !statSync(entry).isFile()) {
    throw new BuildError("entry", `there is no file ${entry}`, { help: "give the bot's TypeScript or JavaScript file" });
  }
  const full = path.resolve(entry);
  const name = values.name ?? nameOf(full);
  return {
    entry: full,
    name,
    out: path.resolve(values.out ?? `dist/${name}.wasm`),
    medplum: values.medplum,
    check: !values["no-check"],
    quick: values.quick,
    tsconfig: values.tsconfig && path.resolve(values.tsconfig),
    locales: values.locale,
    wit: values.wit && path.resolve(values.wit),
    json: values.json,
  };
}

/** The entry's stem; for a name that says nothing, its folder's, past `src`. */
function nameOf(entry) {
  const { name, dir } = path.parse(entry);
  if (!["bot", "index"].includes(name)) return name;
  const folder = path.basename(dir) === "src" ? path.dirname(dir) : dir;
  return path.basename(folder) || name;
}
