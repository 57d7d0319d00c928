"""Makes a history that fails shorter, as long as it fails in the same way: steps are left out until none can be."""

from collections.abc import Callable

Fails = Callable[[list[int]], bool]
"""Whether the history of these steps alone breaks the same promise."""


def shortest(places: list[int], fails: Fails) -> list[int]:
    """Of these steps a list that still fails, and fails no more with any one of them left out.

    Large pieces first, then smaller ones (Zeller's delta debugging, less its complements).
    """
    size = len(places) // 2
    while size:
        start, has_shrunk = 0, False
        while start < len(places):
            without = places[:start] + places[start + size :]
            if fails(without):
                places, has_shrunk = without, True
            else:
                start += size
        if not has_shrunk or size > 1:
            size = min(size, len(places)) // 2 if size > 1 else 0
    return places


def as_text(places: list[int]) -> str:
    """Step numbers as a command line takes them: `0-2,7`."""
    parts: list[str] = []
    start = 0
    for end in range(1, len(places) + 1):
        if end == len(places) or places[end] != places[end - 1] + 1:
            first, last = places[start], places[end - 1]
            parts.append(str(first) if first == last else f"{first}-{last}")
            start = end
    return ",".join(parts)


def from_text(text: str) -> list[int]:
    """The steps that a command line names."""
    places: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        places.extend(range(int(first), int(last or first) + 1))
    return places
