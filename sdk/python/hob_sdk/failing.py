"""What the operator is told of an exception that the bot did not catch.

The words of an exception may hold patient data (`KeyError: 'Ada Example'`), so the failure has its type and where it happened, and no words. Those go, with the
traceback, into the run's log.
"""

import linecache
import os
import traceback
from types import TracebackType

from .errors import Failure, Retry

#: The most positions that the message names.
_DEEPEST = 8
#: The most calls that the traceback shows, the innermost ones: to show one costs a millisecond, and of a recursion there are a thousand.
_CALLS = 20
_HEAD = "Traceback (most recent call last):"


def failure(error: BaseException, root: str) -> Failure:
    """The failure that stands for an exception. `root` is the folder of the bot's own modules."""
    return Retry("exception", f"{_type(error)} at {place(error, root)}")


def place(error: BaseException, root: str) -> str:
    """Where in the bot an exception came from, the innermost function first."""
    return " < ".join(_places(error.__traceback__, root)[:_DEEPEST]) or "a place outside of the bot"


def told(error: BaseException, root: str) -> list[str]:
    """The traceback as a person reads it, without the frames that called the bot. Its words may hold patient data: it is for the run's log."""
    calls, last = sum(1 for _ in traceback.walk_tb(error.__traceback__)), error.__traceback__
    for _ in range(calls - _CALLS):
        last = last and last.tb_next
    try:
        shown = traceback.TracebackException(type(error), error, last, limit=-_CALLS)
        called = next((at for at, frame in enumerate(shown.stack) if _is_own(frame.filename, root)), 0)
        del shown.stack[:called]
        lines = "".join(shown.format()).splitlines()
    except Exception:  # noqa: BLE001 - an exception's own __str__ may fail
        return [_type(error)]
    if calls > _CALLS and _HEAD in lines:
        # What the exception came from stands before it.
        head = len(lines) - lines[::-1].index(_HEAD)
        lines.insert(head, f"  [the last {_CALLS} of {calls} calls]")
    return [line.replace(f'File "{root}{os.sep}', 'File "') for line in lines]


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
    frames = [(frame.f_code.co_filename, line, frame.f_code.co_name) for frame, line in traceback.walk_tb(trace)]
    own = [frame for frame in frames if _is_own(frame[0], root)]
    shown = own or [frame for frame in frames if f"{os.sep}hob_sdk{os.sep}" not in frame[0]]
    return [f"{_short(path, root)}:{line} in {name}" for path, line, name in reversed(shown)]


def _is_own(path: str, root: str) -> bool:
    return bool(root) and path.startswith(root + os.sep)


def _short(path: str, root: str) -> str:
    return path.removeprefix(root + os.sep) if root else os.path.basename(path)


def _type(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
