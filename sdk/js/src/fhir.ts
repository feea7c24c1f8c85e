/** FHIR R4's types, by name. They are those of `@types/fhir`; this file only finds one by its `resourceType`. */

import type { Bundle, FhirResource } from "fhir/r4";

/** Any resource. */
export type Resource = FhirResource;

/** The name of a resource type. */
export type ResourceType = Resource["resourceType"];

/** The resource with this `resourceType`. */
export type ResourceOf<K extends ResourceType> = Extract<Resource, { resourceType: K }>;

/** A page of a search or a history. */
export interface Page<R extends Resource = Resource> {
  bundle: Bundle;
  /** The resources that the search is for, without those that were included. */
  matches: R[];
  /** Names the next page; none on the last. */
  next?: string | undefined;
}

/** `Type/id`. */
export function referenceOf(resource: { resourceType: string; id?: string | undefined }): string {
  return `${resource.resourceType}/${resource.id ?? ""}`;
}
