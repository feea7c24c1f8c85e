"""Makes r4-types.json of FHIR R4's (4.0.1) definitions, as the crate octofhir-fhirschema 0.3.33 (MIT OR Apache-2.0) bundles them.

    python3 generate.py PATH/TO/precompiled_schemas/r4_schemas.json > r4-types.json

The definitions are HL7's, in the public domain (CC0). For each type: its base, its kind and its elements' types. A choice is the
list of its types, each after a bar; a backbone element is a type of its own, named by its path.
"""

import json
import sys

schemas = json.load(open(sys.argv[1]))
types = {}


def elements(of, path):
    out = {}
    for name in sorted(of or {}):
        element = of[name]
        if element.get("choiceOf"):
            continue
        if element.get("elements"):
            inner = f"{path}.{name}"
            types[inner] = {"base": element.get("type") or "BackboneElement", "kind": "backbone", "elements": elements(element["elements"], inner)}
            out[name] = inner
        elif element.get("choices"):
            out[name] = "".join("|" + of[choice]["type"] for choice in element["choices"] if of.get(choice, {}).get("type"))
        elif element.get("elementReference"):
            steps = [step for step in element["elementReference"][1:] if step != "elements"]
            out[name] = ".".join([path.split(".")[0], *steps])
        elif element.get("type"):
            out[name] = element["type"]
    return out


for name in sorted(schemas):
    schema = schemas[name]
    if schema.get("kind") in ("resource", "complex-type", "primitive-type") and schema.get("derivation") != "constraint":
        base = (schema.get("base") or "").rsplit("/", 1)[-1]
        types[name] = {"base": base, "kind": schema["kind"], "elements": elements(schema.get("elements"), name)}

json.dump({name: types[name] for name in sorted(types)}, sys.stdout, separators=(",", ":"))
