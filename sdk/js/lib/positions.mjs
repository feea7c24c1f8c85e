// The author's part of a source map, for the sandbox: src/sandbox/positions.ts reads it when something was thrown.

import path from "node:path";
import { SDK } from "./toolchain.mjs";

/** The statement that leaves it in the bundle. Nothing in it moves a line of the bundle. */
export async function positionsOf(map, codec, project) {
  const foreign = (source) => source.startsWith("hob:") || source.includes("node_modules/") || path.resolve(project, source).startsWith(path.join(SDK, "src") + path.sep);
  const sources = [];
  const kept = map.sources.map((source) => (foreign(source) ? -1 : sources.push(source) - 1));
  const lines = codec.decode(map.mappings).map((segments) =>
    segments.flatMap(([column, source, line, from]) => (source === undefined || kept[source] < 0 ? [] : [[column, kept[source], line, from]])),
  );
  return `\nglobalThis.__hobPositions = ${JSON.stringify({ sources, mappings: codec.encode(lines) })};\n`;
}
