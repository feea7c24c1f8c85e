// The bundle: one module of all that the bot is made of, with what QuickJS lacks where the bot uses it.

import path from "node:path";
import { BuildError, BuildErrors } from "./errors.mjs";
import { POLYFILLS } from "./polyfills.mjs";
import { exported } from "./style.mjs";
import { SDK } from "./toolchain.mjs";

/** What is in Node and not in a sandbox, and what to use. */
const INSTEAD = {
  fs: "a bot has no files: put what it needs into its settings, or import a JSON file, which is bundled",
  path: "a bot has no files",
  os: "a bot has no operating system",
  child_process: "a bot starts no programs",
  net: "use `fetch`, to hosts that bot.toml allows",
  http: "use `fetch`, to hosts that bot.toml allows",
  https: "use `fetch`, to hosts that bot.toml allows",
  stream: "read and write whole values",
  zlib: "a bot has no compression of its own: bundle a library in JavaScript",
};

/** @returns {{ code: string, map: object, uses: string[], bot: string }} */
export async function bundle(esbuild, options) {
  const failed = (failure) => {
    const errors = (failure.errors ?? [{ text: failure.message }]).map((error) => errorOf(error, options));
    // What the SDK imports in two places is missing once.
    throw new BuildErrors(errors.filter((one, at) => errors.findIndex((other) => String(other) === String(one)) === at));
  };
  const name = await exported(esbuild, options, failed);
  const settings = settingsOf(options);
  const first = await esbuild.build({ ...settings, stdin: entryOf(options, name, []) }).catch(failed);
  const text = first.outputFiles.find((file) => file.path.endsWith(".js")).text;
  const uses = Object.keys(POLYFILLS).filter((polyfill) => POLYFILLS[polyfill].wanted(text, options));
  // What a polyfill is made of may want others.
  const all = uses.includes("intl") ? [...new Set(["intl", ...uses])] : uses;
  const result = all.length === 0 ? first : await esbuild.build({ ...settings, stdin: entryOf(options, name, all) }).catch(failed);
  const file = (end) => result.outputFiles.find((file) => file.path.endsWith(end)).text;
  return { code: file(".js"), map: JSON.parse(file(".map")), uses: all, bot: name };
}

/** How the component's entry says that the bot is none. */
export const NO_FUNCTION = "hob: the bot is no function but of type";

/** The module that all begins with: globals first, then what the bot uses of them, then the bot. */
function entryOf({ entry, medplum, name: bot, locales }, exportName, uses) {
  const from = (file) => JSON.stringify(path.join(SDK, "src", file));
  const lines = [`import ${from("sandbox/globals.ts")};`];
  for (const use of uses) lines.push(...POLYFILLS[use].imports({ sdk: SDK, locales }).map((module) => `import ${JSON.stringify(module)};`));
  lines.push(`import { component } from ${from(medplum ? "medplum/bot.ts" : "sandbox/bot.ts")};`);
  lines.push(`import { ${exportName} as bot } from ${JSON.stringify(entry)};`);
  lines.push(`if (typeof bot !== "function") throw new TypeError("${NO_FUNCTION} " + typeof bot);`);
  lines.push(`export const handle = component(bot, ${JSON.stringify(bot)});`);
  return { contents: lines.join("\n"), resolveDir: path.dirname(entry), sourcefile: "hob:entry", loader: "ts" };
}

function settingsOf({ entry, tsconfig, project }) {
  return {
    absWorkingDir: project,
    bundle: true,
    write: false,
    outfile: path.join(project, "bot.js"),
    format: "esm",
    platform: "browser",
    target: "es2023",
    // Promises are the SDK's own, since nobody runs the engine's jobs: see src/sandbox/loop.ts.
    supported: { "async-await": false, "async-generator": false, "for-await": false, "top-level-await": false },
    conditions: ["hob-sandbox", "module", "worker"],
    external: ["hob:*", "wasi:*"],
    define: { "process.env.NODE_ENV": '"production"', "process.env": "{}" },
    sourcemap: "external",
    sourcesContent: false,
    legalComments: "none",
    charset: "utf8",
    logLevel: "silent",
    ...(tsconfig ? { tsconfig } : {}),
    plugins: [resolution(entry)],
  };
}

/** The SDK is the one that builds, whatever the project has installed; Medplum's client is the project's. */
function resolution(entry) {
  const folder = path.dirname(entry);
  return {
    name: "hob",
    setup(build) {
      build.onResolve({ filter: /^@hob\/sdk(\/testing)?$/ }, (args) => ({
        path: path.join(SDK, "src", args.path.endsWith("testing") ? "testing.ts" : "index.ts"),
      }));
      build.onResolve({ filter: /^@medplum\/core$/ }, async (args) => {
        if (args.pluginData === "again") return undefined;
        const found = await build.resolve(args.path, { kind: args.kind, resolveDir: folder, pluginData: "again" });
        return found.errors.length === 0 ? found : { errors: [{ text: 'Could not resolve "@medplum/core"' }] };
      });
      build.onResolve({ filter: /^(node:)?(crypto|buffer|util)$/ }, (args) => ({
        path: path.join(SDK, "src/polyfills/node", `${args.path.replace("node:", "")}.ts`),
      }));
      // TypeScript's sources name what they import as it will be called.
      build.onResolve({ filter: /^\.\.?\/.*\.js$/ }, (args) =>
        args.importer.startsWith(path.join(SDK, "src")) ? { path: path.resolve(args.resolveDir, args.path.replace(/\.js$/, ".ts")) } : undefined,
      );
    },
  };
}

function errorOf({ text, location, notes = [] }, { entry, project }) {
  const file = location && path.resolve(project, location.file);
  // What the SDK wants of a project is wanted for the bot.
  const ofTheSdk = file?.startsWith(path.join(SDK, "src") + path.sep);
  const shown = file && path.relative(process.cwd(), ofTheSdk ? entry : file);
  const at = shown === undefined ? {} : ofTheSdk ? { file: shown } : { file: shown, line: location.line, column: location.column + 1 };
  const missing = /^Could not resolve "(.+)"/.exec(text);
  if (missing) {
    const [, name] = missing;
    const builtin = INSTEAD[name.replace(/^node:/, "").split("/")[0]];
    const install = name.startsWith(".") ? "there is no such file: mend the path" : `install it: \`npm install ${name.split("/").slice(0, name.startsWith("@") ? 2 : 1).join("/")}\``;
    return new BuildError("import", `the import "${name}" is not found`, { ...at, help: builtin ?? (name.startsWith("node:") ? "Node's modules are not there in the sandbox" : install) });
  }
  const noExport = /^No matching export in "(.+)" for import "(.+)"/.exec(text);
  if (noExport) return new BuildError("import", `${noExport[1]} does not export \`${noExport[2]}\``, { ...at, help: "mend the import, or export it there" });
  if (/top-level await/i.test(text)) {
    return new BuildError("syntax", "`await` outside of a function cannot be compiled for the sandbox", { ...at, help: "await inside of the handler" });
  }
  return new BuildError("syntax", text, { ...at, help: notes[0]?.text ?? "mend the file at that place" });
}
