import type { BotEvent, MedplumClient } from "@medplum/core";

interface Input {
  age: number;
  systolic: number;
  smoker?: boolean;
}

/** An `$execute` that only reckons. */
export async function handler(_medplum: MedplumClient, event: BotEvent<Input>): Promise<{ score: number; band: string }> {
  const { age, systolic, smoker } = event.input;
  if (!Number.isFinite(age)) throw new Error("age is missing");
  const score = Math.round(age / 10 + (systolic - 120) / 10 + (smoker ? 3 : 0));
  return { score, band: score > 9 ? "high" : score > 5 ? "middle" : "low" };
}
