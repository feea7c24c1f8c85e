"""Searches by plain equality, and JSON Patch's add, replace and remove: as much as unit tests of a bot's logic want."""

from typing import Any
from urllib.parse import unquote

from ..errors import FhirError
from ..json_types import Json, Resource

_PATIENT = ("patient", "subject", "for", "beneficiary")


def find(resources: list[Resource], query: str) -> list[Resource]:
    """Resources that match every `name=value` of the query.

    `name` is an element of the resource (`patient` also `subject` and `for`); a value matches a code, a Coding's or CodeableConcept's `code` or
    `system|code`, an Identifier's `value` or `system|value`, or a Reference. `_count` and `_sort` are passed over.
    """
    found = resources
    for pair in filter(None, query.split("&")):
        name, sign, value = pair.partition("=")
        if not sign:
            raise FhirError("invalid", "a search has name=value")
        if name in ("_count", "_sort"):
            continue
        if ":" in name or "." in name or (name.startswith("_") and name != "_id"):
            raise FhirError("invalid", f"this world does not know the search parameter {name}: answer it, World(search=…)")
        elements = ("id",) if name == "_id" else _PATIENT if name in ("patient", "subject") else (_camel(name),)
        wanted = [unquote(one) for one in value.split(",")]
        found = [one for one in found if any(_says(one[e], w) for e in elements if e in one for w in wanted)]
    return found


def _camel(name: str) -> str:
    """`based-on` is the element `basedOn`."""
    first, *rest = name.split("-")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def _says(value: Json, wanted: str) -> bool:
    match value:
        case list():
            return any(_says(one, wanted) for one in value)
        case str():
            return value == wanted
        case bool():
            return str(value).lower() == wanted
        case int() | float():
            return str(value) == wanted
        case dict():
            return _token(value, wanted) or _reference(value, wanted) or ("coding" in value and _says(value["coding"], wanted))
        case _:
            return False


def _token(value: dict[str, Any], wanted: str) -> bool:
    code = value.get("code", value.get("value"))
    system, bar, rest = wanted.partition("|")
    return code == rest and (not system or value.get("system") == system) if bar else code == wanted


def _reference(value: dict[str, Any], wanted: str) -> bool:
    reference = value.get("reference")
    return isinstance(reference, str) and (reference == wanted or reference.endswith(f"/{wanted}"))


def mentions(value: Json, reference: str) -> bool:
    """Whether a reference stands anywhere in a value."""
    match value:
        case str():
            return value == reference
        case list():
            return any(mentions(one, reference) for one in value)
        case dict():
            return any(mentions(one, reference) for one in value.values())
        case _:
            return False


def _parts(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def at(value: Json, pointer: str) -> Json:
    """The value at an RFC 6901 pointer."""
    for part in _parts(pointer):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def apply(resource: Resource, operation: Json) -> None:
    """Applies one operation of a JSON Patch: `add`, `replace` or `remove`."""
    bad = FhirError("invalid", "this world knows the patch operations add, replace and remove on a path that exists")
    word, path = operation.get("op"), operation.get("path", "")
    if word not in ("add", "replace", "remove") or not path.startswith("/"):
        raise bad
    above, key = path.rsplit("/", 1)
    key = _parts("/" + key)[0]
    try:
        parent = at(resource, above)
        if isinstance(parent, dict):
            if word == "remove" or (word == "replace" and key not in parent):
                del parent[key]
            if word != "remove":
                parent[key] = operation["value"]
        elif word == "add":
            parent.insert(len(parent) if key == "-" else int(key), operation["value"])
        elif word == "remove":
            del parent[int(key)]
        else:
            parent[int(key)] = operation["value"]
    except (KeyError, IndexError, ValueError, TypeError):
        raise bad from None
