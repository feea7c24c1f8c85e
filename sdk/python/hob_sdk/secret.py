"""A secret of the manifest, which the bot as a rule does not see."""

from dataclasses import dataclass
from enum import StrEnum

from .contract import Contract


class Algorithm(StrEnum):
    """How the host signs: the words of `sign` in `[secrets]`."""

    HMAC_SHA256 = "hmac-sha256"
    HMAC_SHA512 = "hmac-sha512"
    ES256 = "es256"
    RS256 = "rs256"


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret; :meth:`Host.secret` gives it. Each method raises :class:`Refused` where the manifest does not allow it."""

    _contract: Contract
    name: str

    def placeholder(self) -> str:
        """What stands for it in URL, headers and body of requests whose rule lists it."""
        return self._contract.placeholder(self.name)

    def sign(self, algorithm: Algorithm | str, data: bytes) -> bytes:
        """The signature of `data` with it."""
        return self._contract.sign(self.name, str(algorithm), data)

    def expose(self) -> str:
        """Its value. Journal and log do not keep it; what the bot writes or sends does."""
        return self._contract.expose(self.name)
