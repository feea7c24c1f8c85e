/** The client's `fetch`: what goes to its base are calls of the host, what goes elsewhere is asked outside. */

import { FhirError } from "../error.js";
import { Blob, bodyBytes, fetch as outside, Headers } from "../polyfills/fetch.js";
import { sandbox } from "../sandbox/contract.js";
import { Answer, refusal, unsupported } from "./answer.js";
import { execute } from "./bundle.js";
import { idOf } from "./ids.js";
import { BASE, FHIR, route } from "./routes.js";

interface Init {
  method?: string;
  headers?: Record<string, string> | Headers | [string, string][];
  body?: string | Uint8Array | Blob;
}

/** The setting that names where mail is posted to. */
const MAIL = "medplum-email-url";

/** For the constructor of the client. */
export async function hobFetch(url: string | URL, init: Init = {}): Promise<unknown> {
  const text = String(url);
  if (!text.startsWith(BASE)) return outside(text, init as Parameters<typeof outside>[1]);
  const method = init.method ?? "GET";
  if (text.startsWith(FHIR)) {
    const path = text.slice(FHIR.length).replace(/^\//, "");
    if (method === "GET") return route({ method, path });
    const body = init.body;
    if (method === "POST" && (path === "Binary" || path.startsWith("Binary?"))) return binary(init);
    const whole = typeof body === "string" || body === undefined ? body : new TextDecoder().decode(bodyBytes(body));
    if (method === "POST" && (path === "" || path.startsWith("?"))) return execute(whole ?? "");
    const { "if-none-exist": ifNoneExist, "if-match": ifMatch } = fieldsOf(init);
    return route({ method, path, body: whole, ifNoneExist, ifMatch });
  }
  const path = text.slice(BASE.length);
  if (path.startsWith("email/")) return mail(init);
  return unsupported(`${method} ${path.split("?")[0]}`, "that is Medplum's server's own; a bot on Hob has the FHIR server and what [[http]] of bot.toml allows");
}

/** The two header fields that matter, whichever way they were given. */
function fieldsOf({ headers }: Init): Record<string, string | undefined> {
  if (!headers) return {};
  const pairs = Symbol.iterator in headers ? [...headers] : Object.entries(headers);
  return Object.fromEntries(pairs.map(([name, value]) => [name.toLowerCase(), value]));
}

/** A Binary of raw bytes. */
function binary(init: Init): Answer {
  const fields = fieldsOf(init);
  const security = fields["x-security-context"];
  const isResource = fields["content-type"]?.startsWith("application/fhir+json") && typeof init.body === "string" && init.body.includes('"resourceType":"Binary"');
  if (isResource) return route({ method: "POST", path: "Binary", body: init.body as string });
  const resource = {
    resourceType: "Binary" as const,
    contentType: fields["content-type"] ?? "application/octet-stream",
    ...(security ? { securityContext: { reference: security } } : {}),
    data: bodyBytes(init.body).toBase64(),
  };
  try {
    const id = idOf("Binary", sandbox.create(resource).reference);
    const { data: _, ...shown } = resource;
    return new Answer(201, { ...shown, id, url: `Binary/${id}` }, `Binary/${id}`);
  } catch (error) {
    if (error instanceof FhirError) return refusal(error);
    throw error;
  }
}

let mails = 0;

/** Mail goes by the outbox, to whoever sends mail for the clinic: after the commit, once. */
function mail(init: Init): Answer {
  const url = sandbox.setting(MAIL);
  if (typeof url !== "string") {
    return unsupported(
      "sendEmail",
      `Hob sends no mail itself; give bot.toml a setting \`${MAIL}\` with the URL of your mail service, which is posted the message as JSON, and an [[http]] rule that allows it`,
    );
  }
  mails += 1;
  const body = typeof init.body === "string" ? init.body : new TextDecoder().decode(bodyBytes(init.body));
  sandbox.send({ key: `email-${mails}`, method: "POST", url, headers: [["content-type", "application/json"]], body });
  return new Answer(200, { resourceType: "OperationOutcome", issue: [{ severity: "information", code: "informational", details: { text: "staged" } }] });
}
