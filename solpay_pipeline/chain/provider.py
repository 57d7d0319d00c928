"""The guarded transport under solana-py: an answer is judged here before any parser of solders sees it.

solders panics with a BaseException on some error bodies and returns others as if they were results; solana-py
hides HTTP status and Retry-After in a `__cause__` (SOLANA.md 3.4). Here they become the classes of
`errors.py`. The key in an endpoint's URL travels as HTTP target and header only, so that httpx's request log
and exceptions cannot show it.
"""

import asyncio
import base64
import functools
import itertools
import json
import ssl
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

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

from solpay_pipeline.chain.errors import Forbidden, MalformedAnswer, PreflightFailed, RateLimited, Unreachable
from solpay_pipeline.chain.refusals import http_refusal, rpc_refusal

T = TypeVar("T", bound=RPCResult)

KEY_LENGTH = 8
"""Parts of a URL's path from this length on may be a key and are blotted out of what a provider says."""


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
        # The constructor of solana-py would read all certificates anew for each endpoint.
        super(AsyncHTTPProvider, self).__init__()
        self.endpoint_uri = URI(_origin(parts) + "/")
        self.extra_headers = _authorization(parts) | secrets
        try:
            self.session = httpx2.AsyncClient(
                verify=_certificates(),
                timeout=httpx2.Timeout(timeout),
                proxy=proxy.get_secret_value() if proxy else None,
                limits=httpx2.Limits(
                    max_connections=max_connections, max_keepalive_connections=max_connections
                ),
                http2=False,
            )
        except (ValueError, httpx2.InvalidURL):
            # The cause quotes the proxy's URL, which may hold a password.
            raise ValueError("the RPC proxy is not a URL that can be used") from None
        self.name = shown(url)
        self.calls = calls
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._blots = _key_parts(parts) | {value for value in secrets.values() if value}
        self._deadline = timeout
        self._ids = itertools.count(1)

    def __str__(self) -> str:
        return self.name

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
        return (await self._answer(json.loads(body.to_json()))).text

    async def result_of(self, method: str, params: Sequence[object]) -> Any:
        """Ask, and return the decoded result, for what solders does not read, or not robustly.

        Raises:
            ChainError: as `make_request_unparsed`; MalformedAnswer also where Python's own JSON takes what no other
                does: values nested some two hundred deep, halves of a surrogate pair.
        """
        response = await self._answer({"jsonrpc": "2.0", "method": method, "params": params})
        try:
            return from_json(response.content, allow_inf_nan=False)["result"]
        except ValueError:
            # `from None`: its text quotes the answer.
            raise MalformedAnswer(f"{self.name} gave a result that cannot be read to {method}") from None

    async def _answer(self, request: dict[str, Any]) -> httpx2.Response:
        # solders numbers every request 0; only a number of our own shows that answers were mixed up.
        request["id"] = next(self._ids)
        method = str(request["method"])
        self.calls[method] += 1
        response = await self._post(json.dumps(request, separators=(",", ":")), method)
        answer = _decoded(response.content)
        self._refuse(response, answer, request["id"], method)
        return response

    async def _post(self, content: str, method: str) -> httpx2.Response:
        headers = {"Content-Type": "application/json"} | (self.extra_headers or {})
        extensions = {"target": self._target.encode("ascii", "strict")}
        try:
            # httpx limits each read; the whole answer needs a limit too, against a server that drips bytes.
            async with asyncio.timeout(self._deadline):
                return await self.session.post(
                    self.endpoint_uri, content=content, headers=headers, extensions=extensions
                )
        except (TimeoutError, httpx2.TimeoutException):
            raise Unreachable(f"{self.name} did not answer {method} in {self._deadline:g} s") from None
        except httpx2.HTTPError as error:
            # `from None`: the cause holds the request, and with it the key.
            raise Unreachable(f"{self.name} broke off {method} ({type(error).__name__})") from None

    def _refuse(self, response: httpx2.Response, answer: object, request_id: int, method: str) -> None:
        """Raise what the response means, unless it is a result."""
        error = answer.get("error") if isinstance(answer, dict) else None
        refusal = rpc_refusal(error, method, self.name, response.headers, self._blot) if error else None
        if response.status_code != httpx2.codes.OK:
            by_status = http_refusal(response.status_code, method, self.name, response.headers)
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
        if response.content.lstrip()[:1] == b"<":
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
