#!/usr/bin/env python3
"""Makes r4.json, the table of FHIR R4 (4.0.1) elements that the test server reads resources by.

What it reads are HL7's own definition files, which HL7 publishes under CC0-1.0, from the unpacked jar
ca.uhn.hapi.fhir:hapi-fhir-validation-resources-r4:8.8.0 of Maven Central (below org/hl7/fhir/r4/model/):

  generate.py UNPACKED_JAR > r4.json

The output has one line for each type, so that a change shows as a short diff:

  codes  name of a value set -> its codes, where the binding is required and all of them can be listed
  types  type -> path below it, as JSON spells its keys -> "<min><1 or *><s or -> <type>": the cardinality, whether it is in summaries, and what is
         there; "code=NAME" refers to the codes, "#path" to the children of another element. A choice has a line for each of its types, with
         the choice's own name behind an @
"""
import json
import re
import sys
import xml.etree.ElementTree as ET

model = f"{sys.argv[1]}/org/hl7/fhir/r4/model"
NS = "{http://hl7.org/fhir}"
MOST_CODES = 120


def resources(name, *kinds):
    for node in ET.parse(f"{model}/{name}").getroot().iterfind(f"{NS}entry/{NS}resource"):
        if node[0].tag in [NS + kind for kind in kinds]:
            yield node[0]


def value(node, path):
    found = node.find("/".join(NS + step for step in path.split("/")))
    return None if found is None else found.get("value")


def children(node, path):
    return node.findall("/".join(NS + step for step in path.split("/")))


sets, systems = {}, {}
for file in ("valuesets", "v3-codesystems"):
    for found in resources(f"valueset/{file}.xml", "ValueSet", "CodeSystem"):
        (sets if found.tag.endswith("ValueSet") else systems)[value(found, "url")] = found


def concepts(node):
    for concept in children(node, "concept"):
        yield value(concept, "code")
        yield from concepts(concept)


def codes(url, depth=0):
    """All codes of a value set, or None where they cannot be listed."""
    node = sets.get(url.split("|")[0])
    if node is None or depth > 5 or children(node, "compose/exclude"):
        return None
    out = []
    for include in children(node, "compose/include"):
        if children(include, "filter"):
            return None
        listed = [value(c, "code") for c in children(include, "concept")]
        system = value(include, "system")
        if system and not listed:
            known = systems.get(system)
            if known is None or value(known, "content") != "complete":
                return None
            listed = list(concepts(known))
        for other in children(include, "valueSet"):
            more = codes(other.get("value"), depth + 1)
            if more is None:
                return None
            listed += more
        out += listed
    return sorted(set(out)) if 0 < len(out) <= MOST_CODES else None


named, types = {}, {}


def type_of(code, element):
    if code.startswith("http://hl7.org/fhirpath/System."):
        return "id" if value(element, "path").endswith(".id") else "string"
    bound = value(element, "binding/valueSet")
    if code == "code" and bound and value(element, "binding/strength") == "required":
        listed = codes(bound)
        if listed:
            name = bound.split("|")[0].rsplit("/", 1)[1]
            assert named.setdefault(name, listed) == listed, name
            return f"code={name}"
    return code


for file in ("types", "resources"):
    for definition in resources(f"profile/profiles-{file}.xml", "StructureDefinition"):
        name = value(definition, "type")
        if value(definition, "derivation") == "constraint" or value(definition, "kind") == "logical":
            continue
        if value(definition, "kind") == "primitive-type" or value(definition, "abstract") == "true":
            continue
        table = types[name] = {}
        for element in children(definition, "snapshot/element"):
            path = value(element, "path").split(".", 1)
            if len(path) == 1:
                continue
            path = path[1]
            flags = value(element, "min")[:1] + ("1" if value(element, "max") in "01" else "*")
            flags += "s" if value(element, "isSummary") == "true" else "-"
            reference = value(element, "contentReference")
            kinds = [type_of(value(t, "code"), element) for t in children(element, "type")]
            if reference:
                table[path] = f"{flags} #{reference.split('.', 1)[1]}"
            elif path.endswith("[x]"):
                choice = path[:-3]
                for kind in kinds:
                    bare = kind.split("=")[0]
                    table[choice + bare[0].upper() + bare[1:]] = f"{flags} {kind} @{choice.rsplit('.', 1)[-1]}"
            else:
                table[path] = f"{flags} {kinds[0] if kinds else 'Element'}"

note = "R4 elements; made by generate.py from HL7's definitions (CC0-1.0). Do not edit."
print("{" + f'"note": {json.dumps(note)},')
print('"codes": {')
print(",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in sorted(named.items())))
print('},\n"types": {')
print(",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in sorted(types.items())))
print("}}")
