import { type BotEvent, type MedplumClient } from "@medplum/core";
import type { Appointment, Communication, Location, Patient, Reference } from "@medplum/fhirtypes";

const TIME_ZONE = "http://hl7.org/fhir/StructureDefinition/timezone";

/** Writes a reminder with the time as the clinic's clock shows it. */
export async function handler(medplum: MedplumClient, event: BotEvent<Appointment>): Promise<Communication> {
  const appointment = event.input;
  const of = (type: string) => appointment.participant?.map((p) => p.actor).find((actor) => actor?.reference?.startsWith(`${type}/`));
  const location = await medplum.readReference<Location>(of("Location") as Reference<Location> & { reference: string });
  const patient = of("Patient") as Reference<Patient>;
  const timeZone = location.extension?.find((extension) => extension.url === TIME_ZONE)?.valueCode ?? "America/New_York";
  const start = new Date(appointment.start as string);
  const day = new Intl.DateTimeFormat("en-US", { timeZone, weekday: "long", month: "long", day: "numeric", year: "numeric" }).format(start);
  const time = start.toLocaleTimeString("en-US", { timeZone, hour: "numeric", minute: "2-digit" }).replace(/\u202f/g, " ");
  const parts = new Intl.DateTimeFormat("en-US", { timeZone, hour: "numeric", hourCycle: "h23" }).formatToParts(start);
  const early = Number(parts.find((part) => part.type === "hour")?.value) < 9;
  const fee = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" }).format(1234.5);
  return medplum.createResource<Communication>({
    resourceType: "Communication",
    status: "preparation",
    subject: patient,
    recipient: [patient],
    about: [{ reference: `Appointment/${appointment.id}` }],
    payload: [{ contentString: `${day} at ${time}${early ? ", before the front desk opens" : ""}. Missing it costs ${fee}.` }],
  });
}
