"""The component's own module: what it imports at the build is what is there in a run."""

import json

from .source import Late

#: Its name; no module of a bot is called so.
NAME = "hob_component_entry"

_TEXT = '''"""Written by hob_sdk.componentize."""
import importlib
import sys
from hob_sdk import sandbox, zones
import {module} as the_bot

for name, where, optional in {late}:
    try:
        importlib.import_module(name)
    except ImportError as error:
        if not optional:
            raise ImportError(f"hob-late {{where}}: {{error}}") from None

zones.keep()
WitWorld = sandbox.world(the_bot)
'''


def text(module: str, late: list[Late]) -> str:
    """The entry of a bot."""
    rows = [(one.module, one.where, one.optional) for one in late]
    # A list of JSON strings is a list of Python's, but for the booleans.
    shown = ", ".join(f"({json.dumps(name)}, {json.dumps(where)}, {optional})" for name, where, optional in rows)
    return _TEXT.format(module=module, late=f"[{shown}]")
