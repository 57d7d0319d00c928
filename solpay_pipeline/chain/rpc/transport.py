"""One endpoint over HTTP. Every answer is judged and read here before anything above sees it.

What can come back besides a result becomes one of the classes of `errors.py`, by the rules of `refusals.py`. aiohttp
speaks HTTP: a call through httpx2 takes five times the CPU. aiohttp writes no log of requests, and its exceptions,
which hold the URL with the key in it, end here.
"""

import asyncio
import base64
import functools
import itertools
import json
import ssl
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from pydantic import SecretStr
from pydantic_core import from_json
from yarl import URL

from solpay_pipeline.chain.rpc import parsing
from solpay_pipeline.chain.rpc.errors import MalformedAnswer, Unreachable
from solpay_pipeline.chain.rpc.refusals import Reply, Request, refusal

T = TypeVar("T")

KEY_LENGTH = 8
"""A part of a URL's path that is at least this long may be a key: it is removed from what a provider says."""


LARGEST_BODY = 32 * 2**20
"""Bytes of an answer, unpacked. A page of a history or a hundred token accounts are far below it."""


class Transport:
    """One endpoint over one keep-alive connection pool. `calls` counts HTTP requests by RPC method."""

    def __init__(
        self,
        url: SecretStr,
        *,
        timeout: float,
        headers: Mapping[str, SecretStr],
        proxy: SecretStr | None,
        max_connections: int,
        calls: Counter[str],
    ) -> None:
        parts = _parts(url)
        secrets = {name: value.get_secret_value() for name, value in headers.items()}
        for name, value in secrets.items():
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"the RPC header {name} must be printable ASCII")
        self.name = shown(url)
        self.calls = calls
        self._url = URL(_origin(parts) + _target(parts), encoded=True)
        self._headers = {"Content-Type": "application/json"} | _authorization(parts) | secrets
        self._proxy = _usable_proxy(_proxy_of_environment(parts) if proxy is None else proxy)
        self._max_connections = max_connections
        self._connections: aiohttp.ClientSession | None = None
        self._blots = _key_parts(parts) | {value for value in secrets.values() if value}
        self._deadline = timeout
        self._ids = itertools.count(1)

    def __repr__(self) -> str:
        return f"Transport({self.name})"

    async def close(self) -> None:
        """Close the connections; the next call opens others."""
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.close()

    async def ask(self, method: str, params: Sequence[object] = ()) -> Any:
        """Ask, and return the decoded result of an answer that carries one and our own id.

        Raises:
            ChainError: everything else that can come back, by the rules of `refusals.py`.
        """
        # Every request has a number of its own, which reveals an answer to another one.
        request = Request(method, next(self._ids), self.name, self._blot)
        call = {"jsonrpc": "2.0", "id": request.number, "method": method, "params": params}
        self.calls[method] += 1
        reply = await self._post(json.dumps(call, separators=(",", ":")).encode(), method)
        refused = refusal(reply, request)
        if refused is not None:
            raise refused
        answer: Any = reply.decoded
        return answer["result"]

    async def read(self, reader: Callable[[Any], T], method: str, params: Sequence[object] = ()) -> T:
        """Ask, and have `reader` take the result.

        Raises:
            ChainError: as `ask`; Unreadable where `reader` cannot read the result.
        """
        result = await self.ask(method, params)
        with parsing.reading(f"{method} by {self.name}"):
            return reader(result)

    async def _post(self, content: bytes, method: str) -> Reply:
        try:
            # One limit for the whole answer: a server that drips bytes would keep within a limit for each read.
            async with (
                asyncio.timeout(self._deadline),
                self._opened().post(
                    self._url, data=content, headers=self._headers, proxy=self._proxy, allow_redirects=False
                ) as response,
            ):
                body = await _body(response)
        except TimeoutError:
            raise Unreachable(f"{self.name} did not answer {method} in {self._deadline:g} s") from None
        except (aiohttp.ClientError, OSError, EOFError, ValueError) as error:
            # `from None`: the cause holds the request, and with it the key.
            raise Unreachable(f"{self.name} broke off {method} ({type(error).__name__})") from None
        if body is None:
            raise MalformedAnswer(f"{self.name} answered {method} with more than {LARGEST_BODY} bytes")
        return Reply(response.status, response.headers, body, _decoded(body))

    def _opened(self) -> aiohttp.ClientSession:
        """The connections, which belong to the event loop of the first call."""
        if self._connections is None:
            speaks_tls = "https" in (self._url.scheme, self._proxy and self._proxy.scheme)
            self._connections = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._max_connections, ssl=_certificates() if speaks_tls else True
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._connections

    def _blot(self, text: str) -> str:
        for secret in sorted(self._blots, key=len, reverse=True):
            text = text.replace(secret, "…")
        return text


def shown(url: SecretStr) -> str:
    """An endpoint as people may see it: scheme and host, an ellipsis for the rest."""
    parts = _parts(url)
    return _origin(parts) + ("/…" if parts.path.strip("/") or parts.query else "")


@functools.cache
def _certificates() -> ssl.SSLContext:
    """The trusted certificate authorities. Reading them takes some thirty milliseconds, once a process."""
    return httpx2.create_ssl_context()


def _proxy_of_environment(parts: SplitResult) -> SecretStr | None:
    """What HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say; aiohttp would read them at each call."""
    if proxy_bypass(parts.hostname or ""):
        return None
    named = getproxies()
    proxy = named.get(parts.scheme) or named.get("all")
    return None if proxy is None else SecretStr(proxy if "://" in proxy else f"http://{proxy}")


def _usable_proxy(proxy: SecretStr | None) -> URL | None:
    """Raises ValueError without showing any of it: it may hold a password."""
    if proxy is None:
        return None
    try:
        url = URL(proxy.get_secret_value())
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("the RPC proxy is not a URL that can be used")
    return url


def _parts(url: SecretStr) -> SplitResult:
    """The parts of a URL that can be called. Raises ValueError without showing any of it."""
    text = url.get_secret_value()
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not (usable and text.isascii() and text.isprintable() and " " not in text):
        raise ValueError("an RPC endpoint must be an http:// or https:// URL")
    return parts


def _origin(parts: SplitResult) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _authorization(parts: SplitResult) -> dict[str, str]:
    """Basic credentials in a URL, as the header that clients make of them."""
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _key_parts(parts: SplitResult) -> set[str]:
    path = {part for part in parts.path.split("/") if len(part) >= KEY_LENGTH}
    query = {value for _, value in parse_qsl(parts.query)}
    user = {part for part in (parts.username, parts.password) if part}
    return {part for part in path | query | user | {parts.query} if part}


async def _body(response: aiohttp.ClientResponse) -> bytes | None:
    """All of an answer's body, None where it is larger than any honest one."""
    parts: list[bytes] = []
    size = 0
    while part := await response.content.readany():
        size += len(part)
        if size > LARGEST_BODY:
            return None
        parts.append(part)
    return b"".join(parts)


def _decoded(content: bytes) -> Any:
    """The JSON of an answer, None where it is not JSON.

    Nor is it where Python's own parser alone would take it: NaN, half of a surrogate pair, values nested some two
    hundred deep.
    """
    try:
        return from_json(content, allow_inf_nan=False)
    except ValueError:
        return None
