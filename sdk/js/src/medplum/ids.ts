/**
 * Ids that the server gives at the commit. Where a source refuses clients' ids, a create is `urn:uuid:…` until then; Medplum's bots write `Type/id` of what they
 * created, so that is turned into the urn wherever it goes to the host. A host that gave final ids has nothing here, and nothing is searched.
 */

const provisional = new Map<string, string>();

/** The id of a create's reference; remembers one that is not final. */
export function idOf(type: string, reference: string): string {
  if (!reference.startsWith("urn:uuid:")) return reference.slice(reference.indexOf("/") + 1);
  const id = reference.slice("urn:uuid:".length);
  provisional.set(`${type}/${id}`, reference);
  return id;
}

/** The text of JSON with the urn of each reference to what has no final id. */
export function inBody(text: string): string {
  let changed = text;
  for (const [plain, urn] of provisional) changed = changed.replaceAll(`"${plain}"`, `"${urn}"`);
  return changed;
}

/** The same for a reference. */
export function inReference(reference: string): string {
  return provisional.get(reference) ?? reference;
}

/** The same for a search. */
export function inQuery(query: string): string {
  let changed = query;
  for (const [plain, urn] of provisional) changed = changed.replaceAll(plain, urn).replaceAll(encodeURIComponent(plain), encodeURIComponent(urn));
  return changed;
}
