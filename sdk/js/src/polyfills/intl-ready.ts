/**
 * After the locales' data. Where a bot asks for no time zone, it is the run's, UTC. And what formatjs works out at the first use of a locale, which takes the
 * interpreter a good part of a second, is done here: at the build, once, and not in each run.
 */

const formats = Intl.DateTimeFormat as unknown as {
  localeData?: Record<string, unknown>;
  __setDefaultTimeZone?: (zone: string) => void;
};
formats.__setDefaultTimeZone?.("UTC");

const day = new Date(0);
for (const locale of Object.keys(formats.localeData ?? {})) {
  const parts = { weekday: "long", year: "numeric", month: "long", day: "numeric", hour: "numeric", minute: "2-digit" } as const;
  new Intl.DateTimeFormat(locale, { ...parts, timeZone: "UTC", timeZoneName: "short" }).formatToParts(day);
  new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short", timeZone: "UTC" }).format(day);
  day.toLocaleString(locale);
  day.toLocaleDateString(locale);
  day.toLocaleTimeString(locale);
  new Intl.NumberFormat(locale, { style: "currency", currency: "USD" }).format(1.5);
}

export {};
