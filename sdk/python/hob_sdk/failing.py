"""What the operator is told of an exception that the bot did not catch.

The words of an exception may hold patient data (`KeyError: 'Ada Example'`), so the failure has its type and where it happened, and no words. Those go, with the
whole traceback, into the failure's details, which the host puts into the run's log.
"""

import linecache
import os
import traceback
from types import TracebackType

from .errors import Failure, Retry

#: The most positions that the message names.
_DEEPEST = 8


def failure(error: BaseException, root: str) -> Failure:
    """The failure that stands for an exception. `root` is the folder of the bot's own modules."""
    places = _places(error.__traceback__, root)
    where = " < ".join(places[:_DEEPEST]) or "a place outside of the bot"
    details = {"exception": _words(error), "traceback": "".join(traceback.format_exception(error)).splitlines()}
    return Retry("exception", f"{_type(error)} at {where}", details=details)


def keep_sources(root: str) -> None:
    """Keeps the lines of all modules of the bot for tracebacks: there are no files in the sandbox."""
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name.isidentifier()]
        for name in files:
            path = os.path.join(folder, name)
            if name.endswith(".py") and (lines := linecache.getlines(path)):
                # Without a time of change the cache does not look for the file again.
                linecache.cache[path] = (sum(map(len, lines)), None, lines, path)


def _places(trace: TracebackType | None, root: str) -> list[str]:
    """`file:line in function`, the innermost first: of the bot's own files, or of any where there are none."""
    frames = traceback.extract_tb(trace)
    own = [frame for frame in frames if root and frame.filename.startswith(root + os.sep)]
    shown = own or [frame for frame in frames if f"{os.sep}hob_sdk{os.sep}" not in frame.filename]
    return [f"{_short(frame.filename, root)}:{frame.lineno} in {frame.name}" for frame in reversed(shown)]


def _short(path: str, root: str) -> str:
    return path.removeprefix(root + os.sep) if root else os.path.basename(path)


def _type(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _words(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception_only(error)).strip()
    except Exception:  # noqa: BLE001 - an exception's own __str__ may fail
        return _type(error)
