// What the entry exports, and whether that is a bot.

import { readFileSync } from "node:fs";
import path from "node:path";
import { BuildError } from "./errors.mjs";

/** The export that is the bot's function: `handle`, `handler` or `default`. */
export async function exported(esbuild, { entry, medplum, tsconfig, project }, failed) {
  const result = await esbuild
    .build({ entryPoints: [entry], bundle: true, format: "esm", packages: "external", write: false, metafile: true, logLevel: "silent", tsconfig, absWorkingDir: project, outfile: path.join(project, "bot.js") })
    .catch(failed);
  const [output] = Object.values(result.metafile.outputs).filter((output) => output.entryPoint);
  const names = output?.exports ?? [];
  const wanted = medplum ? ["handler"] : ["handle", "default"];
  const found = wanted.find((name) => names.includes(name));
  if (found) return found;
  const listed = names.length === 0 ? "nothing" : names.map((name) => `\`${name}\``).join(", ");
  const other = medplum ? "handle" : "handler";
  const place = { file: path.relative(process.cwd(), entry), line: lineOf(entry, names.includes(other) ? other : names[0]) };
  if (medplum) {
    const help = names.includes("handle")
      ? 'call it `handler(medplum, event)`; or, if it is of Hob\'s own style, take `"medplum": true` out of package.json'
      : "write `export async function handler(medplum: MedplumClient, event: BotEvent) { … }`";
    throw new BuildError("export", `a Medplum bot exports \`handler\`; this file exports ${listed}`, { ...place, help });
  }
  const help = names.includes("handler")
    ? '`handler(medplum, event)` is Medplum\'s style: for that write `"hob": { "medplum": true }` into package.json; else call it `handle(event, hob)`'
    : "write `export function handle(event: Event, hob: Host) { … }`";
  throw new BuildError("export", `a bot exports \`handle\`; this file exports ${listed}`, { ...place, help });
}

/** Where an export stands in its file; undefined where that is not plain. */
export function lineOf(file, name) {
  if (name === undefined) return undefined;
  const plain = name.replace(/\$/g, "\\$&");
  const forms = [
    new RegExp(`^\\s*export\\s+(?:declare\\s+)?(?:async\\s+)?(?:function\\s*\\*?|const|let|var|class|enum)\\s+${plain}\\b`),
    new RegExp(name === "default" ? "^\\s*export\\s+default\\b|\\bas\\s+default\\b" : `^\\s*export\\s*\\{[^}]*\\b${plain}\\b`),
  ];
  const lines = readFileSync(file, "utf8").split("\n");
  const at = lines.findIndex((line) => forms.some((form) => form.test(line)));
  return at < 0 ? undefined : at + 1;
}
