/**
 * Before the time zones' data: keeps them packed, each until a bot asks for it. Unpacked all together they would be twenty megabytes of a component's memory, and
 * to unpack them would take a run longer than all that it does.
 */

interface Packed {
  abbrvs: string;
  offsets: string;
  zones: string[];
}

/** A change of a zone's clock: since when (seconds), its name, its offset (seconds), whether it is summer time. */
type Transition = [number, string, number, boolean];

interface Formats {
  tzData: Record<string, Transition[]>;
  __addTZData(packed: Packed): void;
}

function unpacked(zone: string, abbreviations: string[], offsets: string[]): Transition[] {
  return zone
    .split("|")
    .slice(1)
    .map((transition) => {
      const [since = "", abbreviation, offset, summer] = transition.split(",");
      return [
        since === "" ? -Infinity : parseInt(since, 36),
        abbreviations[Number(abbreviation)] ?? "",
        parseInt(offsets[Number(offset)] ?? "0", 36),
        summer === "1",
      ];
    });
}

const formats = Intl.DateTimeFormat as unknown as Formats;

formats.__addTZData = ({ abbrvs, offsets, zones }) => {
  const [names, shifts] = [abbrvs.split("|"), offsets.split("|")];
  const data: Record<string, Transition[]> = {};
  for (const zone of zones) {
    const name = zone.slice(0, zone.indexOf("|"));
    const get = (): Transition[] => {
      const value = unpacked(zone, names, shifts);
      Object.defineProperty(data, name, { value, enumerable: true });
      return value;
    };
    Object.defineProperty(data, name, { get, enumerable: true, configurable: true });
  }
  formats.tzData = data;
};

export {};
