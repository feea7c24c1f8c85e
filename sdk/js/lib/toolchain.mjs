// What builds: found where this package has it, named with the way to get it where not.

import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { BuildError } from "./errors.mjs";

/** This package's folder, also where it is linked into a project. */
export const SDK = realpathSync(path.join(path.dirname(fileURLToPath(import.meta.url)), ".."));

/** How the packages of the toolchain get there: with the project's own, or alone in a checkout. */
export const INSTALL = `run \`npm install\` in the bot's folder, or \`npm ci\` in ${SDK}`;

const require = createRequire(path.join(SDK, "package.json"));

/** Loads a package that the build needs. */
export async function tool(name) {
  try {
    return await import(name);
  } catch (error) {
    const missing = error.code === "ERR_MODULE_NOT_FOUND";
    throw new BuildError("toolchain", missing ? `the package ${name} is not installed` : `the package ${name} does not load: ${error.message}`, {
      help: `${INSTALL}, on a platform that ${name} is built for`,
      file: path.join(SDK, "package.json"),
    });
  }
}

/** TypeScript's compiler as a program. */
export function tsc() {
  try {
    return path.join(path.dirname(require.resolve("typescript/package.json")), "bin/tsc");
  } catch {
    throw new BuildError("toolchain", "the package typescript is not installed", {
      help: INSTALL,
      file: path.join(SDK, "package.json"),
    });
  }
}

/** The contract's folder. */
export function contract(given) {
  const folder = given ?? path.join(SDK, "../wit");
  const file = path.join(folder, "bot.wit");
  if (existsSync(file)) return file;
  throw new BuildError("toolchain", `the contract is not at ${file}`, { help: "give its folder, sdk/wit of a checkout of Hob, with --wit" });
}
