// From a bundle to a component: QuickJS with the bundle evaluated, as it was in memory then.

import { cpSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { NO_FUNCTION } from "./bundle.mjs";
import { BuildError } from "./errors.mjs";
import { lineOf } from "./style.mjs";
import { SDK, contract } from "./toolchain.mjs";

/** @returns {Promise<Uint8Array>} */
export async function componentOf(qjs, code, options) {
  const folder = mkdtempSync(path.join(os.tmpdir(), "hob-componentize-"));
  try {
    cpSync(path.join(SDK, "wit"), folder, { recursive: true });
    cpSync(contract(options.wit), path.join(folder, "deps/hob-bot/bot.wit"));
    // Garbage is counted references but for circles, which a run leaves to the end of its instance: to look for them would touch all of the memory
    // that was taken as it was from the build, and a page that is touched is copied.
    const { component } = await qjs.componentize({ witPath: folder, jsSource: code, world: "js", sync: true, disableGc: true, optSize: options.quick });
    return component;
  } catch (error) {
    throw loadError(error, options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The bundle is evaluated at the build: what it does at its top level may fail there. */
function loadError(error, { entry, bot, medplum, where }) {
  const message = String(error.message ?? error).replace(/^:\s*/, "");
  const place = /:(\d+):(\d+)\)?\s*$/m.exec(message);
  const at = place && where(Number(place[1]), Number(place[2]));
  const file = at?.file ?? path.relative(process.cwd(), entry);
  const what = message.split("\n")[0].replace(/^Failed to (evaluate|finish) .*?: (Error: )?/, "").replace(/^Failed to .*? module evaluation: /, "");
  const [, kind] = message.split("\n")[0].split(`${NO_FUNCTION} `);
  if (kind) {
    const style = medplum ? "handler(medplum, event)" : "handle(event, hob)";
    return new BuildError("export", `\`${bot}\` is of type ${kind}, and no function`, {
      file: path.relative(process.cwd(), entry),
      line: lineOf(entry, bot),
      help: `write it as a function, \`export function ${style} { … }\``,
    });
  }
  if (/Failed to (evaluate|finish|declare)/.test(message)) {
    return new BuildError("load", `the bot fails while it is loaded: ${what}`, {
      file,
      line: at?.line,
      column: at?.column,
      help: "what stands outside of functions runs at the build, without a host: move it into the handler",
    });
  }
  return new BuildError("toolchain", `componentize-qjs failed: ${message}`, { file, help: "build it again; if that fails too, the contract (--wit) may be of another version" });
}
