"""Marks the function that is the bot."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from .event import Event, Outcome
from .host import Host

Handler = Callable[[Event, Host], Outcome]
F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__hob_bot__"


def bot(handle: F) -> F:
    """Makes a function ``(event, hob)`` the module's bot. The function itself stays as it is, so tests call it.

    Raises ``TypeError`` at import where the function cannot be called so.
    """
    wrong = what_is_wrong(handle)
    if wrong is not None:
        raise TypeError(wrong)
    setattr(handle, _MARK, True)
    return handle


def what_is_wrong(handle: Callable[..., Any]) -> str | None:
    """Why a function cannot be a bot; none where it can."""
    if not inspect.isroutine(handle):
        return f"@bot is for a function `def handle(event, hob)`, not for {type(handle).__name__}"
    name = handle.__name__
    if inspect.iscoroutinefunction(handle):
        return f"{name} is `async`: the host's calls answer at once, so write `def {name}(event, hob)`"
    if inspect.isgeneratorfunction(handle):
        return f"{name} has `yield`: write `def {name}(event, hob)` that returns None, Done or Reply"
    try:
        inspect.signature(handle).bind(object(), object())
    except TypeError:
        return f"{name}{inspect.signature(handle)} must take two arguments: `def {name}(event, hob)`"
    return None


def bots_of(module: Any) -> list[Handler]:
    """The functions of a module that are marked, each once."""
    found = [value for value in vars(module).values() if callable(value) and getattr(value, _MARK, False) is True]
    return list({id(one): one for one in found}.values())
