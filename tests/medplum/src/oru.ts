import { type BotEvent, createReference, type Hl7Message, type MedplumClient } from "@medplum/core";
import type { DiagnosticReport, Observation, ServiceRequest } from "@medplum/fhirtypes";

/** Results: an observation for each OBX, and a report of them. */
export async function handler(medplum: MedplumClient, event: BotEvent<Hl7Message>): Promise<string> {
  const message = event.input;
  const number = message.getSegment("OBR")?.getComponent(2, 1) as string;
  const order = await medplum.searchOne("ServiceRequest", `identifier=https://lab.example.com|${number}`);
  if (!order) throw new Error("nobody ordered this");
  const observations: Observation[] = [];
  for (const obx of message.getAllSegments("OBX")) {
    observations.push(
      await medplum.createResource<Observation>({
        resourceType: "Observation",
        status: "final",
        code: { coding: [{ system: "http://loinc.org", code: obx.getComponent(3, 1), display: obx.getComponent(3, 2) }] },
        subject: order.subject as { reference: string },
        basedOn: [createReference(order)],
        valueQuantity: { value: parseFloat(obx.getComponent(5, 1)), unit: obx.getComponent(6, 1) },
      }),
    );
  }
  const report = await medplum.createResource<DiagnosticReport>({
    resourceType: "DiagnosticReport",
    status: "final",
    code: order.code as object,
    subject: order.subject as { reference: string },
    basedOn: [createReference(order)],
    result: observations.map(createReference),
  });
  await medplum.patchResource("ServiceRequest", order.id as string, [{ op: "replace", path: "/status", value: "completed" }]);
  const again = await medplum.readResource("DiagnosticReport", report.id as string);
  return `${again.result?.length} results`;
}
