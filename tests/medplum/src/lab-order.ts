import { type BotEvent, getIdentifier, type MedplumClient, setIdentifier } from "@medplum/core";
import type { ServiceRequest } from "@medplum/fhirtypes";

const LAB = "https://lab.example.com";

/** Sends an order to the lab, and keeps the number that the lab gave it. */
export async function handler(medplum: MedplumClient, event: BotEvent<ServiceRequest>): Promise<ServiceRequest> {
  const order = event.input;
  if (getIdentifier(order, LAB)) return order;
  const key = event.secrets["LAB_KEY"]?.valueString as string;
  const account = event.secrets["LAB_ACCOUNT"]?.valueString as string;
  const url = new URL("/v1/orders", LAB);
  url.searchParams.set("account", account);
  const response = await fetch(url.toString(), {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ code: order.code?.coding?.[0]?.code, patient: order.subject?.reference }),
  });
  if (!response.ok) throw new Error(`the lab answered ${response.status}`);
  const { number } = (await response.json()) as { number: string };
  setIdentifier(order, LAB, number);
  return medplum.updateResource<ServiceRequest>({ ...order, status: "active" });
}
