"""HTTP headers of RPC calls: each for the endpoint that it is meant for, since most hold a provider's token."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import SecretStr

from solpay_pipeline.settings.kind import Kind, Unfit
from solpay_pipeline.settings.table import BadSetting

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token of RFC 9110, 5.6.2."""

_FORM = '{"HOST": {"NAME": "VALUE"}}'

Headers = Mapping[str, SecretStr]


@dataclass(frozen=True, slots=True)
class SecretHeaders:
    """Headers by the host that they are for, with its port where that was given; under "" where none was named."""

    by_host: Mapping[str, Headers] = field(default_factory=dict)

    def of(self, url: SecretStr) -> Headers:
        """What an endpoint gets. Those without a host go to the only host that there is."""
        parts = urlsplit(url.get_secret_value())
        host = (parts.hostname or "").lower()
        found = {**self.by_host.get("", {}), **self.by_host.get(host, {})}
        return found | dict(self.by_host.get(f"{host}:{parts.port}", {}))

    def misfits(self, urls: Sequence[SecretStr]) -> Iterator[BadSetting]:
        """Headers of which nobody can say whom they are for, or that are for nobody."""
        parts = [urlsplit(url.get_secret_value()) for url in urls]
        hosts = {(one.hostname or "").lower() for one in parts}
        if "" in self.by_host and len(hosts) > 1:
            problem = (
                f"does not say for which of the {len(hosts)} hosts of SOLPAY_RPC_URLS it is: write {_FORM}"
            )
            yield BadSetting("SOLPAY_RPC_HEADERS", problem)
        known = hosts | {f"{(one.hostname or '').lower()}:{one.port}" for one in parts}
        for place, host in enumerate(self.by_host, start=1):
            if host and host not in known:
                problem = f"names as host {place} one that is not in SOLPAY_RPC_URLS"
                yield BadSetting("SOLPAY_RPC_HEADERS", problem)


def _read(text: str) -> SecretHeaders:
    if not text.startswith("{"):
        return SecretHeaders({"": _checked(_plain_pairs(text))})
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Unfit("is not a valid JSON object") from None
    if not isinstance(found, dict):
        raise Unfit("is not a JSON object")
    if all(isinstance(value, dict) for value in found.values()):
        return SecretHeaders({host.lower(): _checked(_pairs(given)) for host, given in found.items()})
    return SecretHeaders({"": _checked(_pairs(found))})


def _pairs(found: Mapping[str, object]) -> list[tuple[str, str]]:
    pairs = [(name, value) for name, value in found.items() if isinstance(value, str)]
    if len(pairs) != len(found):
        raise Unfit(f"is not a JSON object of strings, nor {_FORM}")
    return pairs


def _plain_pairs(text: str) -> list[tuple[str, str]]:
    pairs = []
    for position, part in enumerate(text.split(","), start=1):
        name, separator, value = part.partition("=")
        if not separator:
            raise Unfit(f"header {position} is not name=value")
        pairs.append((name.strip(), value.strip()))
    return pairs


def _checked(pairs: Sequence[tuple[str, str]]) -> dict[str, SecretStr]:
    seen: set[str] = set()
    for position, (name, value) in enumerate(pairs, start=1):
        if not _NAME.fullmatch(name):
            raise Unfit(f"header {position} has a name that HTTP does not allow")
        if not value.isprintable() or not value.isascii():
            raise Unfit(f"header {position} has a value with characters that HTTP does not allow")
        if name.lower() in seen:
            raise Unfit(f"header {position} is given twice")
        seen.add(name.lower())
    return {name: SecretStr(value) for name, value in pairs}


def _shown(headers: SecretHeaders) -> str:
    names = [f"{host}: {name}" if host else name for host, given in headers.by_host.items() for name in given]
    return ", ".join(names) or "not set"


HEADERS = Kind(_read, _shown, is_secret=True)
"""A JSON object of strings or `name=value,name=value` for one host, or a JSON object of such objects by host."""
