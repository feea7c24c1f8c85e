import { createReference, type Hl7Message, type WithId } from "@medplum/core";
import type { Appointment, Bundle, Patient, Practitioner, Resource, Task } from "@medplum/fhirtypes";
import type { MockClient } from "@medplum/mock";
import { expect, test, vi } from "vitest";
import { handler as adt } from "../src/adt";
import { handler as reminder } from "../src/appointment-reminder";
import { handler as bmi } from "../src/bmi";
import { handler as cleanup } from "../src/cleanup";
import { handler as closeTasks } from "../src/close-tasks";
import { handler as dashboard } from "../src/dashboard";
import { handler as deleted } from "../src/deleted";
import { handler as directory } from "../src/directory";
import { handler as duplicates } from "../src/duplicates";
import { handler as enrol } from "../src/enrol";
import { handler as exported } from "../src/export";
import { handler as followUp } from "../src/follow-up";
import { handler as hello } from "../src/hello-patient";
import { handler as intake } from "../src/intake";
import { handler as invite } from "../src/invite";
import { handler as labOrder } from "../src/lab-order";
import { handler as letter } from "../src/letter";
import { handler as moved } from "../src/moved";
import { handler as notify } from "../src/notify";
import { handler as oru } from "../src/oru";
import { handler as overdue } from "../src/overdue";
import { handler as riskScore } from "../src/risk-score";
import { handler as webhook } from "../src/signed-webhook";
import { handler as statFlag } from "../src/stat-flag";
import { handler as welcome } from "../src/welcome";
import { play } from "./play";

/** What R4's $everything would give, of the types that the cases have. */
async function everythingOf(medplum: MockClient, id: string): Promise<Bundle> {
  const about = await Promise.all((["Observation", "Condition"] as const).map((type) => medplum.searchResources(type, { subject: `Patient/${id}` })));
  const resources: Resource[] = [await medplum.readResource("Patient", id), ...about.flat()];
  return { resourceType: "Bundle", type: "searchset", entry: resources.map((resource) => ({ resource })) };
}

test("hello-patient says hello and writes nothing", async () => {
  const { medplum, event, done } = await play("hello-patient");
  const result = await hello(medplum, event<Patient>());
  expect(result).toBe(true);
  expect(await done(result)).toHaveLength(0);
});

test("stat-flag flags once", async () => {
  const { medplum, event, done } = await play("stat-flag");
  const flag = await statFlag(medplum, event<Task>());
  expect(flag?.subject).toMatchObject(createReference(await medplum.readResource("Patient", "ana")));
  expect(await medplum.searchResources("Flag")).toHaveLength(1);
  await done(flag);
});

test("bmi takes the last weight", async () => {
  const { medplum, event, done } = await play("bmi");
  const observation = await bmi(medplum, event<Patient>());
  expect(observation?.valueQuantity?.value).toBe(25.1);
  await done(observation);
});

test("welcome names both", async () => {
  const { medplum, event, done } = await play("welcome");
  const communication = await welcome(medplum, event<Patient>());
  expect(communication.payload?.[0]?.contentString).toContain("Welcome, Ana Field");
  await done(communication);
});

test("duplicates links one other", async () => {
  const { medplum, event, done } = await play("duplicates");
  const found = await duplicates(medplum, event<Patient>());
  expect(found).toHaveLength(1);
  expect((await medplum.readResource("Patient", "ana2")).link).toHaveLength(1);
  await done(found);
});

test("close-tasks leaves what is completed", async () => {
  const { medplum, event, done } = await play("close-tasks");
  const closed = await closeTasks(medplum, event());
  expect(closed).toBe(2);
  expect((await medplum.readResource("Task", "t2")).status).toBe("completed");
  await done(closed);
});

test("appointment-reminder shows the clinic's clock", async () => {
  const { medplum, event, done } = await play("appointment-reminder");
  const communication = await reminder(medplum, event<Appointment>());
  expect(communication.payload?.[0]?.contentString).toBe("Thursday, July 2, 2026 at 8:15 AM, before the front desk opens. Missing it costs $1,234.50.");
  await done(communication);
});

test("lab-order keeps the lab's number", async () => {
  const { medplum, event, asked, done } = await play("lab-order");
  const order = await labOrder(medplum, event());
  expect(order.identifier?.[0]?.value).toBe("L-77");
  expect(asked).toEqual(["POST https://lab.example.com/v1/orders?account=clinic-7"]);
  await done(order);
});

test("overdue raises what is past its time", async () => {
  const { medplum, event, done } = await play("overdue");
  expect(await overdue(medplum, event())).toBe(3);
  expect((await medplum.readResource("Task", "t2")).priority).toBeUndefined();
  await done(3);
});

test("deleted keeps what was deleted", async () => {
  const { medplum, event, done } = await play("deleted");
  const audit = await deleted(medplum, event());
  expect(audit?.entity?.[0]?.what?.reference).toBe("Patient/ben");
  await done(audit);
});

test("adt renews the patient and acknowledges", async () => {
  const { medplum, event, done } = await play("adt");
  const ack = await adt(medplum, event<Hl7Message>());
  expect(ack.getSegment("MSA")?.getField(2)?.toString()).toBe("MSG00001");
  expect((await medplum.readResource("Patient", "ana")).gender).toBe("female");
  await done(ack);
});

test("oru makes a report of two results", async () => {
  const { medplum, event, done } = await play("oru");
  const result = await oru(medplum, event<Hl7Message>());
  expect(result).toBe("2 results");
  expect((await medplum.readResource("ServiceRequest", "o3")).status).toBe("completed");
  await done(result);
});

test("intake updates the patient", async () => {
  const { medplum, event, done } = await play("intake");
  const patient = await intake(medplum, event());
  expect(patient.telecom).toHaveLength(2);
  await done(patient);
});

test("enrol makes a family whose members refer to each other", async () => {
  const { medplum, event, done } = await play("enrol");
  const result = await enrol(medplum, event<{ family: string; members: string[] }>());
  expect(result.statuses.toSorted()).toEqual(["200", "201", "201", "201"]);
  const [account] = await medplum.searchResources("Account");
  expect(account?.subject?.every((subject) => subject.reference?.startsWith("Patient/"))).toBe(true);
  await done(result);
});

test("dashboard goes on without what is not there", async () => {
  const { medplum, event, done } = await play("dashboard");
  const result = await dashboard(medplum, event<{ patient: string }>());
  expect(result).toEqual({ name: "Field", conditions: 1, nobody: "404" });
  await done(result);
});

test("export names all that there is", async () => {
  const { medplum, event, done } = await play("export");
  // The mock has no $everything; Medplum's own tests stand in for it in this way.
  vi.spyOn(medplum, "readPatientEverything").mockImplementation(((id: string) => everythingOf(medplum, id)) as never);
  const provenance = await exported(medplum, event<Patient>());
  expect(provenance.target.map((target) => target.reference)).toEqual(["Condition/c1", "Observation/h1", "Observation/h2", "Patient/ana"]);
  await done(provenance);
});

test("moved compares with the version before", async () => {
  const { medplum, event, done } = await play("moved");
  const task = await moved(medplum, event<Patient>());
  expect(task?.description).toBe("Austin to Boise");
  await done(task);
});

test("letter points to its binary", async () => {
  const { medplum, event, done } = await play("letter");
  const document = await letter(medplum, event<Patient>());
  expect(document.content[0]?.attachment?.url).toMatch(/^Binary\//);
  await done(document);
});

test("signed-webhook takes what is signed, and nothing else", async () => {
  const { medplum, event, done } = await play("signed-webhook");
  const bad = { ...event<{ body: string; signature: string }>(), input: { body: "{}", signature: "00".repeat(32) } };
  await expect(webhook(medplum, bad)).rejects.toThrow("signature");
  const communication = await webhook(medplum, event());
  expect(communication.payload?.[0]?.contentString).toBe("hello");
  await done(communication);
});

test("invite makes a link with a token", async () => {
  const { medplum, event, done } = await play("invite");
  const basic = await invite(medplum, event<Patient>());
  expect(basic.extension?.[0]?.valueUrl).toContain(`token=${basic.identifier?.[0]?.value}`);
  await done(basic);
});

test("cleanup deletes drafts", async () => {
  const { medplum, event, done } = await play("cleanup");
  const result = await cleanup(medplum, event());
  expect(result).toEqual({ deleted: 2 });
  await done(result);
});

test("risk-score reckons", async () => {
  const { medplum, event, done } = await play("risk-score");
  const result = await riskScore(medplum, event<{ age: number; systolic: number; smoker: boolean }>());
  expect(result).toEqual({ score: 11, band: "high" });
  await done(result);
});

test("directory renews one and makes one", async () => {
  const { medplum, event, done } = await play("directory");
  const result = await directory(medplum, event<{ npi: string; family: string }[]>());
  expect(result).toEqual(["Reed", "Stone"]);
  const found: WithId<Practitioner>[] = await medplum.searchResources("Practitioner");
  expect(found).toHaveLength(2);
  await done(result);
});

test("follow-up makes a task due in a week", async () => {
  const { medplum, event, done } = await play("follow-up");
  const task = await followUp(medplum, event());
  expect(task.restriction?.period?.end).toBe("2026-03-08T10:30:00.000Z");
  expect(task.priority).toBe("routine");
  await done(task);
});

test("notify mails", async () => {
  const { medplum, event, done } = await play("notify");
  const result = await notify(medplum, event<Patient>());
  expect(result).toBe(true);
  await done(result);
});
