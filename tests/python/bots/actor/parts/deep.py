"""Falls, two calls deep, in ways that have words."""


class Lost(Exception):
    """Of the bot's own."""


def fall(how: str) -> object:
    return further(how)


def further(how: str) -> object:
    if how == "key":
        return {}["Ada Example"]
    if how == "own":
        raise Lost("Ada Example")
    if how == "chained":
        try:
            return int("Ada Example")
        except ValueError as error:
            raise RuntimeError("cannot read Ada Example") from error
    raise AssertionError(how)
