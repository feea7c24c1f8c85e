"""Time zones by name in the sandbox, which has no files: the rules of the package `tzdata`, kept in memory at the build."""

import io
import sys


def keep() -> None:
    """Keeps the rules for a bot that imports `zoneinfo`, where `tzdata` is installed. Else a zone other than UTC is not found."""
    if "zoneinfo" not in sys.modules:
        return
    try:
        from importlib import resources

        import tzdata
    except ImportError:
        return
    import zoneinfo._common

    names = resources.files(tzdata).joinpath("zones").read_text("utf-8").split()
    kept = {name: resources.files(tzdata).joinpath("zoneinfo", *name.split("/")).read_bytes() for name in names}

    def load(key: str) -> io.BytesIO:
        if key not in kept:
            raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {key}")
        return io.BytesIO(kept[key])

    zoneinfo._common.load_tzdata = load  # type: ignore[assignment]
