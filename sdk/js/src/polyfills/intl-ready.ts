/** After the locales' data: where a bot asks for no time zone, it is the run's, UTC. */
const { DateTimeFormat } = Intl as unknown as { DateTimeFormat: { __setDefaultTimeZone?: (zone: string) => void } };
DateTimeFormat.__setDefaultTimeZone?.("UTC");
