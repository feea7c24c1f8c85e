"""Is imported only where it is needed."""


def twice(text: str) -> list[str]:
    return [text, text]
