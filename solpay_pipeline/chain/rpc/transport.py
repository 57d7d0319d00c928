"""The guarded transport under solana-py: an answer is judged here before any parser of solders sees it.

solders panics with a BaseException on some error bodies and returns others as if they were results; solana-py
hides HTTP status and Retry-After in a `__cause__` (SOLANA.md 3.4). Here they become the classes of
`errors.py`. aiohttp speaks HTTP, since a call takes solana-py's own httpx2 five times the CPU; it writes no log of
requests, and its exceptions, which hold the URL with the key in it, end here.
"""

import asyncio
import base64
import functools
import itertools
import json
import ssl
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from pydantic import SecretStr
from pydantic_core import from_json
from solana.rpc.async_api import AsyncClient
from solana.rpc.async_http_provider import AsyncHTTPProvider
from solana.rpc.jsonrpc import JsonRpcRequestSerializer
from solana.rpc.types import URI
from solders.errors import SerdeJSONError
from solders.rpc.requests import Body
from solders.rpc.responses import RPCResult
from yarl import URL

from solpay_pipeline.chain.rpc.errors import (
    Forbidden,
    MalformedAnswer,
    PreflightFailed,
    RateLimited,
    Unreachable,
)
from solpay_pipeline.chain.rpc.refusals import http_refusal, rpc_refusal

T = TypeVar("T", bound=RPCResult)

KEY_LENGTH = 8
"""Parts of a URL's path from this length on may be a key and are blotted out of what a provider says."""


@dataclass(frozen=True, slots=True)
class _Reply:
    """What came back over HTTP, with all of its body."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)


class GuardedProvider(AsyncHTTPProvider):
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
        # The constructor of solana-py would open a client of its own.
        super(AsyncHTTPProvider, self).__init__()
        self.endpoint_uri = URI(_origin(parts) + "/")
        self.extra_headers = _authorization(parts) | secrets
        self.name = shown(url)
        self.calls = calls
        self._url = URL(_origin(parts) + _target(parts), encoded=True)
        self._proxy = _usable_proxy(_proxy_of_environment(parts) if proxy is None else proxy)
        self._max_connections = max_connections
        self._connections: aiohttp.ClientSession | None = None
        self._blots = _key_parts(parts) | {value for value in secrets.values() if value}
        self._deadline = timeout
        self._ids = itertools.count(1)

    def __str__(self) -> str:
        return self.name

    async def close(self) -> None:
        """Close the connections; the next call opens others."""
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.close()

    async def make_request(self, body: Body, parser: type[T]) -> T:
        """Ask, and have solders read an answer that is known to be a result.

        Raises:
            ChainError: as `make_request_unparsed`; MalformedAnswer where solders cannot read the result.
        """
        raw = await self.make_request_unparsed(body)
        try:
            answer = parser.from_json(raw)  # type: ignore[attr-defined]
        except SerdeJSONError:
            answer = None
        except BaseException as panic:
            if not _is_solders_panic(panic):
                raise
            answer = None
        if not isinstance(answer, parser):
            raise MalformedAnswer(
                f"{self.name} gave a result of an unexpected shape to {type(body).__name__}"
            )
        return answer

    async def make_request_unparsed(self, body: JsonRpcRequestSerializer) -> str:
        """Ask, and return the JSON text of an answer that carries a result and our own id.

        Raises:
            ChainError: everything else that can come back, after the rules of SOLANA.md 3.4.
        """
        return (await self._answer(json.loads(body.to_json()))).decode(errors="replace")

    async def result_of(self, method: str, params: Sequence[object]) -> Any:
        """Ask, and return the decoded result, for what solders does not read, or not robustly.

        Raises:
            ChainError: as `make_request_unparsed`; MalformedAnswer also where Python's own JSON takes what no other
                does: values nested some two hundred deep, halves of a surrogate pair.
        """
        content = await self._answer({"jsonrpc": "2.0", "method": method, "params": params})
        try:
            return from_json(content, allow_inf_nan=False)["result"]
        except ValueError:
            # `from None`: its text quotes the answer.
            raise MalformedAnswer(f"{self.name} gave a result that cannot be read to {method}") from None

    async def _answer(self, request: dict[str, Any]) -> bytes:
        # solders numbers every request 0; only a number of our own shows that answers were mixed up.
        request["id"] = next(self._ids)
        method = str(request["method"])
        self.calls[method] += 1
        reply = await self._post(json.dumps(request, separators=(",", ":")).encode(), method)
        self._refuse(reply, _decoded(reply.content), request["id"], method)
        return reply.content

    async def _post(self, content: bytes, method: str) -> _Reply:
        headers = {"Content-Type": "application/json"} | (self.extra_headers or {})
        try:
            # One limit for the whole answer: a server that drips bytes keeps every shorter one.
            async with (
                asyncio.timeout(self._deadline),
                self._opened().post(
                    self._url, data=content, headers=headers, proxy=self._proxy, allow_redirects=False
                ) as response,
            ):
                return _Reply(response.status, response.headers, await response.read())
        except TimeoutError:
            raise Unreachable(f"{self.name} did not answer {method} in {self._deadline:g} s") from None
        except aiohttp.ClientError as error:
            # `from None`: the cause holds the request, and with it the key.
            raise Unreachable(f"{self.name} broke off {method} ({type(error).__name__})") from None

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

    def _refuse(self, reply: _Reply, answer: object, request_id: int, method: str) -> None:
        """Raise what the response means, unless it is a result."""
        error = answer.get("error") if isinstance(answer, dict) else None
        refusal = rpc_refusal(error, method, self.name, reply.headers, self._blot) if error else None
        if reply.status != HTTPStatus.OK:
            by_status = http_refusal(reply.status, method, self.name, reply.headers)
            # A body may say more than the status, never less: 429 and 403 stand whatever it calls them.
            keep = refusal is None or isinstance(by_status, RateLimited)
            keep = keep or (isinstance(by_status, Forbidden) and not isinstance(refusal, RateLimited))
            raise by_status if keep or refusal is None else refusal
        if refusal is not None:
            foreign = answer.get("id") not in (request_id, None) if isinstance(answer, dict) else True
            unsure = (
                isinstance(refusal, PreflightFailed) and isinstance(answer, dict) and answer.get("id") is None
            )
            raise (
                MalformedAnswer(f"{self.name} answered {method} with another id")
                if foreign or unsure
                else refusal
            )
        if reply.content.lstrip()[:1] == b"<":
            raise Unreachable(f"{self.name} answered {method} with a web page")
        if not isinstance(answer, dict) or answer.get("jsonrpc") != "2.0" or "result" not in answer:
            raise MalformedAnswer(f"{self.name} answered {method} with something that is not JSON-RPC")
        if type(answer.get("id")) is not int or answer["id"] != request_id:
            raise MalformedAnswer(f"{self.name} answered {method} with another id")

    def _blot(self, text: str) -> str:
        for secret in sorted(self._blots, key=len, reverse=True):
            text = text.replace(secret, "…")
        return text


class GuardedClient(AsyncClient):
    """solana-py's client over a provider of ours."""

    def __init__(self, provider: GuardedProvider) -> None:
        # AsyncClient's own constructor would open a second connection pool that nobody uses.
        super(AsyncClient, self).__init__()
        self._provider = provider
        self._guarded = provider

    async def ask(self, method: str, params: Sequence[object]) -> Any:
        """As `GuardedProvider.result_of`."""
        return await self._guarded.result_of(method, params)


def shown(url: SecretStr) -> str:
    """An endpoint as people may see it: scheme and host, an ellipsis for whatever follows."""
    parts = _parts(url)
    return _origin(parts) + ("/…" if parts.path.strip("/") or parts.query else "")


@functools.cache
def _certificates() -> ssl.SSLContext:
    """The authorities that are trusted; to read them takes a process some thirty milliseconds."""
    return httpx2.create_ssl_context()


def _proxy_of_environment(parts: SplitResult) -> SecretStr | None:
    """What HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say of an endpoint; aiohttp would ask them at each call."""
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
    """Basic credentials in a URL, as the header that a client would make of them."""
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _key_parts(parts: SplitResult) -> set[str]:
    path = {part for part in parts.path.split("/") if len(part) >= KEY_LENGTH}
    query = {value for _, value in parse_qsl(parts.query)}
    user = {part for part in (parts.username, parts.password) if part}
    return {part for part in path | query | user | {parts.query} if part}


def _decoded(content: bytes) -> Any:
    """The JSON of an answer, None where it is not JSON."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _is_solders_panic(error: BaseException) -> bool:
    """pyo3 makes the class at run time and exports it nowhere, so it can only be known by its name."""
    return (type(error).__module__, type(error).__name__) == ("pyo3_runtime", "PanicException")
