"""The run's log: the host takes a line's level from its first word. `logging` and `print` go there too."""

import logging
import sys

_WORDS = [(logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info")]


def _say(word: str, text: str) -> None:
    line = " ".join(text.splitlines())
    sys.stdout.write(f"{word}: {line}\n")


def debug(text: str) -> None:
    """For the author."""
    _say("debug", text)


def info(text: str) -> None:
    """For the operator."""
    _say("info", text)


def warn(text: str) -> None:
    """Something is off."""
    _say("warn", text)


def error(text: str) -> None:
    """Something failed."""
    _say("error", text)


class RunLog(logging.Handler):
    """Sends `logging` to the run's log. The sandbox puts it on the root logger."""

    def emit(self, record: logging.LogRecord) -> None:
        word = next((word for level, word in _WORDS if record.levelno >= level), "debug")
        _say(word, self.format(record))
