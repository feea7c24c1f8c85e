// What the entry exports, and whether that is a bot.

import path from "node:path";
import { BuildError } from "./errors.mjs";

/** The export that is the bot's function: `handle`, `handler` or `default`. */
export async function exported(esbuild, { entry, medplum, tsconfig, project }, failed) {
  const result = await esbuild
    .build({ entryPoints: [entry], bundle: true, format: "esm", packages: "external", write: false, metafile: true, logLevel: "silent", tsconfig, absWorkingDir: project, outfile: path.join(project, "bot.js") })
    .catch(failed);
  const [output] = Object.values(result.metafile.outputs).filter((output) => output.entryPoint);
  const names = output?.exports ?? [];
  const file = path.relative(process.cwd(), entry);
  const has = (name) => names.includes(name);
  const listed = names.length === 0 ? "nothing" : names.map((name) => `\`${name}\``).join(", ");
  if (medplum) {
    if (has("handler")) return "handler";
    const help = has("handle")
      ? "`handle` is of Hob's own style: build without --medplum"
      : "write `export async function handler(medplum: MedplumClient, event: BotEvent) { … }`";
    throw new BuildError("export", `a Medplum bot exports \`handler\`; this file exports ${listed}`, { file, help });
  }
  if (has("handle")) return "handle";
  if (has("default")) return "default";
  const help = has("handler")
    ? "`handler` is Medplum's name: build with --medplum, or call it `handle(event, hob)`"
    : "write `export function handle(event: Event, hob: Host) { … }`";
  throw new BuildError("export", `a bot exports \`handle\`; this file exports ${listed}`, { file, help });
}
