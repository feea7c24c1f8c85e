/**
 * From positions in the bundle to those in the author's files. The build leaves the author's part of the source map in
 * `__hobPositions`, in the map's own coding; it is decoded when something was thrown, and costs nothing before.
 */

interface Positions {
  sources: string[];
  /** As `mappings` of a source map: `;` between lines, `,` between segments, base64 VLQ in them. */
  mappings: string;
}

interface Segment {
  column: number;
  source: number;
  line: number;
  from: number;
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

let lines: Segment[][] | undefined;

function decoded(mappings: string): Segment[][] {
  let [source, line, from] = [0, 0, 0];
  return mappings.split(";").map((text) => {
    let column = 0;
    return text === ""
      ? []
      : text.split(",").map((segment) => {
          const [a = 0, b = 0, c = 0, d = 0] = numbers(segment);
          column += a;
          source += b;
          line += c;
          from += d;
          return { column, source, line, from };
        });
  });
}

function numbers(segment: string): number[] {
  const found: number[] = [];
  let value = 0;
  let shift = 0;
  for (const character of segment) {
    const digit = DIGITS.indexOf(character);
    value |= (digit & 31) << shift;
    shift += 5;
    if (digit < 32) {
      found.push(value & 1 ? -(value >> 1) : value >> 1);
      value = 0;
      shift = 0;
    }
  }
  return found;
}

/** The author's `file:line:column` of a place in the bundle; undefined for what is not the author's. */
function authorsOf(line: number, column: number): string | undefined {
  const positions = (globalThis as { __hobPositions?: Positions }).__hobPositions;
  if (!positions) return undefined;
  lines ??= decoded(positions.mappings);
  const segments = lines[line - 1] ?? [];
  const segment = segments.findLast((segment) => segment.column < column) ?? segments[0];
  return segment && `${positions.sources[segment.source]}:${segment.line + 1}:${segment.from + 1}`;
}

/** The frames of a stack that are the author's, innermost first: `name (file:line:column)`. */
export function framesOf(stack: string | undefined): string[] {
  return (stack ?? "").split("\n").flatMap((frame) => {
    const found = /^\s*at (?:(.*?) \()?[^()]*?:(\d+):(\d+)\)?\s*$/.exec(frame);
    const place = found && authorsOf(Number(found[2]), Number(found[3]));
    if (!place) return [];
    const name = found[1];
    return [name && name !== "<anonymous>" ? `${name} (${place})` : place];
  });
}

/** `file:line:column` of a frame. */
export function placeOf(frame: string): string {
  return frame.replace(/^.* \((.*)\)$/, "$1");
}
