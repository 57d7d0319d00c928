"""Variables that are nearly a setting's name: a typing error that would else be ignored without a word."""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from itertools import takewhile

from solpay_pipeline.settings.table import PREFIX, BadSetting

TYPO_LIKENESS = 0.85
"""From this likeness on (difflib's ratio) an unknown `SOLPAY_` variable is taken for a misspelt one."""

_OF_A_SERVICE = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)\Z")
_LINK = re.compile(r"(tcp|udp|sctp)://")
"""What Kubernetes puts into every container about a service, such as one named `solpay-database`."""


def misspelt(
    texts: Mapping[str, str], names: Collection[str], known: Collection[str]
) -> Iterator[BadSetting]:
    """Each variable that nearly has one of the `names` and is none of the `known` ones, which are all there are."""
    for name in sorted(texts.keys() - set(known)):
        meant = None if _is_of_a_service(name, texts[name]) else _nearest(name, names)
        if meant is not None:
            yield BadSetting(name, f"is no setting; did you mean {meant}?")


def _is_of_a_service(name: str, text: str) -> bool:
    return bool(_LINK.match(text) or _OF_A_SERVICE.search(name))


def _nearest(name: str, names: Collection[str]) -> str | None:
    for right in names:
        if _is_one_letter_off(name, right):
            return right
    likely = difflib.get_close_matches(name, names, 1, TYPO_LIKENESS) if name.startswith(PREFIX) else []
    return likely[0] if likely else None


def _is_one_letter_off(name: str, right: str) -> bool:
    """One letter too many, one too few, another one, or two neighbours in each other's place."""
    same = len([*takewhile(lambda pair: pair[0] == pair[1], zip(name, right, strict=False))])
    ours, theirs = name[same:], right[same:]
    is_swapped = ours[:2] == theirs[:2][::-1] and ours[2:] == theirs[2:]
    return is_swapped or ours[1:] == theirs or ours == theirs[1:] or ours[1:] == theirs[1:]
