// The check of types: the project's tsconfig.json, or a strict one, over the entry and what it imports.

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { BuildError, BuildErrors } from "./errors.mjs";
import { lineOf } from "./style.mjs";
import { INSTALL, SDK, tsc } from "./toolchain.mjs";

const STRICT = {
  target: "es2023",
  lib: ["es2024", "dom", "dom.iterable"],
  module: "esnext",
  moduleResolution: "bundler",
  strict: true,
  skipLibCheck: true,
  types: [],
};

/** What holds the bot's function to the type that it is called by. TypeScript says what is wrong with it there, and it is told as of the bot's file. */
const HELD = "handler.ts";

/** Rejects with every error of types that the entry has, and of the type of its export. */
export async function checkTypes({ entry, tsconfig, medplum, bot }) {
  const found = tsconfig ?? nearest(path.dirname(entry), "tsconfig.json");
  const project = found ? path.dirname(found) : path.dirname(entry);
  const own = { noEmit: true, allowJs: true, composite: false, incremental: false, rewriteRelativeImportExtensions: false };
  const held = { rootDir: path.parse(project).root, allowImportingTsExtensions: true };
  // A project that has not installed the SDK is checked against the one that builds.
  const paths = resolves(entry, "@hob/sdk/package.json")
    ? {}
    : { paths: { "@hob/sdk": [path.join(SDK, "src/index.ts")], "@hob/sdk/testing": [path.join(SDK, "src/testing.ts")] } };
  const config = {
    ...(found ? { extends: found } : {}),
    compilerOptions: { ...(found ? {} : STRICT), ...own, ...held, ...paths },
    files: medplum ? [entry] : [entry, HELD],
    include: [],
  };
  // Inside of the project, since that is where types are looked for.
  mkdirSync(path.join(project, "node_modules"), { recursive: true });
  const folder = mkdtempSync(path.join(project, "node_modules/.hob-"));
  try {
    writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(config));
    const from = JSON.stringify(path.relative(folder, entry).replaceAll(path.sep, "/"));
    writeFileSync(path.join(folder, HELD), `import { ${bot} as bot } from ${from};\nimport type { Event, Host } from "@hob/sdk";\nbot satisfies (event: Event, hob: Host) => unknown;\n`);
    const { error, stdout, stderr } = await run(process.execPath, [tsc(), "-p", folder, "--pretty", "false"], project);
    // What it found is told by its exit code; a word is why it did not start.
    if (typeof error?.code === "string") {
      throw new BuildError("toolchain", `TypeScript's compiler does not start: ${error.message}`, { help: INSTALL });
    }
    if (error) throw new BuildErrors(errorsOf(`${stdout}\n${stderr}`, project).map((one) => ofTheBot(one, entry, bot)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** An error in the file that holds the export to its type, as one of the export. */
function ofTheBot(error, entry, bot) {
  if (!error.file || path.basename(error.file) !== HELD) return error;
  return new BuildError("export", `\`${bot}\` cannot be called as a bot is: ${error.message}`, {
    file: path.relative(process.cwd(), entry),
    line: lineOf(entry, bot),
    help: `write \`export ${bot === "default" ? "default function" : `function ${bot}`}(event: Event, hob: Host) { … }\``,
  });
}

function run(program, args, cwd) {
  const options = { encoding: "utf8", cwd, maxBuffer: 16 << 20 };
  return new Promise((done) => execFile(program, args, options, (error, stdout, stderr) => done({ error, stdout, stderr })));
}

function errorsOf(output, project) {
  const errors = [];
  for (const line of output.split("\n")) {
    const at = /^(.+?)\((\d+),(\d+)\): error (TS\d+): (.*)$/.exec(line);
    const plain = /^error (TS\d+): (.*)$/.exec(line);
    if (at) {
      const [, file, row, column, number, message] = at;
      const missing = /^TS(2307|2792|7016)$/.test(number);
      errors.push(
        new BuildError(missing ? "import" : "type", `${message} (${number})`, {
          file: path.relative(process.cwd(), path.resolve(project, file)),
          line: Number(row),
          column: Number(column),
          help: missing ? "install the package, or mend the path" : "mend it; `// @ts-expect-error` above leaves a line unchecked",
        }),
      );
    } else if (plain) {
      errors.push(new BuildError("type", `${plain[2]} (${plain[1]})`, { help: "mend tsconfig.json, or give another with --tsconfig" }));
    } else if (/^\s+\S/.test(line) && errors.length > 0) {
      errors[errors.length - 1].message += ` ${line.trim()}`;
    }
  }
  if (errors.length > 0) return errors;
  return [new BuildError("type", output.trim() || "TypeScript's compiler failed and did not say why", { help: "run `npx tsc --noEmit` to see more" })];
}

/** The file of this name in the folder or the nearest above it. */
export function nearest(folder, name) {
  for (let at = folder; ; at = path.dirname(at)) {
    const file = path.join(at, name);
    if (existsSync(file)) return file;
    if (at === path.dirname(at)) return undefined;
  }
}

function resolves(entry, name) {
  try {
    createRequire(entry).resolve(name);
    return true;
  } catch {
    return false;
  }
}
