"""Names for what JSON holds."""

from typing import Any, TypeAlias

#: Any JSON value.
Json: TypeAlias = Any

#: A FHIR resource as the server has it: a plain dictionary with `resourceType`. Nothing is converted on the way, so what is written is what was built.
Resource: TypeAlias = dict[str, Any]


def reference_of(resource: Resource) -> str | None:
    """`Type/id`, where the resource has both."""
    kind, id_ = resource.get("resourceType"), resource.get("id")
    return f"{kind}/{id_}" if isinstance(kind, str) and isinstance(id_, str) else None
