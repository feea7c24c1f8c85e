// The build from end to end.

import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { USAGE, readArgs } from "./args.mjs";
import { bundle } from "./bundle.mjs";
import { componentOf } from "./component.mjs";
import { BuildError, BuildErrors } from "./errors.mjs";
import { positionsOf } from "./positions.mjs";
import { tool } from "./toolchain.mjs";
import { checkTypes, nearest } from "./types.mjs";

/** Runs the command; answers its exit code. */
export async function main(argv) {
  const json = argv.includes("--json");
  try {
    const options = readArgs(argv);
    if (options.help) {
      process.stdout.write(USAGE);
      return 0;
    }
    const built = await build(options);
    const out = path.relative(process.cwd(), built.component);
    if (json) process.stdout.write(`${JSON.stringify({ ok: true, ...built })}\n`);
    else process.stdout.write(`${out}: ${(built.bytes / 1e6).toFixed(1)} MB in ${(built.millis / 1000).toFixed(1)} s${built.uses.length > 0 ? `, with ${built.uses.join(", ")}` : ""}\n`);
    return 0;
  } catch (error) {
    const errors = error instanceof BuildErrors ? error.errors : [error];
    if (!errors.every((one) => one instanceof BuildError)) throw error;
    if (json) process.stdout.write(`${JSON.stringify({ ok: false, errors })}\n`);
    else process.stderr.write(`${errors.join("\n")}\n`);
    const [{ code }] = errors;
    return code === "usage" ? 2 : code === "toolchain" ? 69 : 1;
  }
}

/** The folder that paths in the component count from, wherever it is built: the nearest with a package.json or a bot.toml. */
function projectOf(entry) {
  const folder = path.dirname(entry);
  const found = ["package.json", "bot.toml"].flatMap((name) => nearest(folder, name) ?? []);
  const [nearestOne] = found.map((file) => path.dirname(file)).sort((a, b) => b.length - a.length);
  return nearestOne ?? process.cwd();
}

/** @param {ReturnType<typeof readArgs>} given */
export async function build(given) {
  const began = performance.now();
  const [esbuild, qjs, codec, tracing] = await Promise.all(
    ["esbuild", "componentize-qjs", "@jridgewell/sourcemap-codec", "@jridgewell/trace-mapping"].map(tool),
  );
  const tsconfig = given.tsconfig ?? nearest(path.dirname(given.entry), "tsconfig.json");
  const options = { ...given, tsconfig, project: projectOf(given.entry) };
  const made = await bundle(esbuild, options);
  const map = new tracing.TraceMap(made.map);
  const where = (line, column) => {
    const { source, line: row, column: from } = tracing.originalPositionFor(map, { line, column: Math.max(0, column - 1) });
    const file = source && path.relative(process.cwd(), path.resolve(options.project, source));
    return file && row ? { file, line: row, column: from + 1 } : undefined;
  };
  const code = made.code + (await positionsOf(made.map, codec, options.project));
  // After the bundle, which is quick and says most of what a beginner gets wrong; beside each other, for each takes one core. A wrong type is said first.
  const [types, compiled] = await Promise.allSettled([options.check && checkTypes({ ...options, bot: made.bot }), componentOf(qjs, code, { ...options, bot: made.bot, where })]);
  const failed = [types, compiled].find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
  const component = compiled.value;
  mkdirSync(path.dirname(options.out), { recursive: true });
  // Whole or not at all: somebody may be watching.
  writeFileSync(`${options.out}.part`, component);
  renameSync(`${options.out}.part`, options.out);
  return { component: options.out, name: options.name, bytes: component.length, millis: Math.round(performance.now() - began), uses: made.uses };
}
