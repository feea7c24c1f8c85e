"""What went wrong with a build: what, where, and what to do."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Trouble(Exception):
    """Ends the build."""

    #: Stable, listed in docs/errors.md.
    code: str
    what: str
    where: str
    todo: str

    def __str__(self) -> str:
        return f"error[{self.code}]: {self.what}\n  at {self.where}\n  help: {self.todo}"

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "message": self.what, "at": self.where, "help": self.todo}
