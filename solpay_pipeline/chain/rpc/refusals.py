"""What an answer over HTTP is about: the node, our question, the chain, or nothing but its result.

The only place that decides this, of status, headers and body together. A status that tells of the node outweighs
whatever the body says; a final word needs a known code (`dialects.py`) in the answer to our own request.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from solpay_pipeline.base.text import harmless
from solpay_pipeline.chain.rpc.answers import error_text
from solpay_pipeline.chain.rpc.dialects import HINTS_AT_RATE, MEANINGS, NAMES_A_MISSING_BLOCK, Meaning
from solpay_pipeline.chain.rpc.errors import (
    ChainError,
    Forbidden,
    MalformedAnswer,
    MethodMissing,
    NoBlock,
    NodeBehind,
    PreflightFailed,
    RateLimited,
    Refused,
    RpcRejected,
    TransactionRefused,
    UnknownCursor,
    Unreachable,
    UnsupportedVersion,
)

REJECTIONS: Mapping[Meaning, type[RpcRejected]] = {
    Meaning.NO_METHOD: MethodMissing,
    Meaning.VERSION: UnsupportedVersion,
    Meaning.CURSOR: UnknownCursor,
    Meaning.PARAMETERS: RpcRejected,
}

FORBIDDING = frozenset({401, 402, 403})
PASSING = frozenset({408, 425})
"""Besides everything from 500 on."""

WITHOUT_METHOD = frozenset({404, 405, 410})

MESSAGE_LENGTH = 300
"""A provider's words are cut to this length: they end up in logs and findings."""

LONGEST_CODE = 20
"""Digits of an error's code at most; longer ones are no code of anybody."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back over HTTP, with all of its body, and what that is as JSON (None where it is none)."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)
    decoded: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked, and of whom. `blot` removes secrets from a provider's words."""

    method: str
    number: int
    endpoint: str
    blot: Callable[[str], str] = field(repr=False)


def refusal(reply: Reply, request: Request) -> ChainError | None:
    """What an answer means that is no result; None where it is the result of our request."""
    body = reply.decoded if isinstance(reply.decoded, dict) else {}
    answered = body.get("id")
    is_ours = type(answered) is int and answered == request.number
    if reply.status != HTTPStatus.OK:
        is_believed = is_ours or answered is None
        said = _said(body.get("error"), reply, request) if is_believed else None
        return _by_status(reply, request, None if _needs_our_number(said) and not is_ours else said)
    another = MalformedAnswer(f"{request.endpoint} answered {request.method} with another id")
    if body.get("error"):
        said = _said(body["error"], reply, request)
        return said if is_ours or (answered is None and not _needs_our_number(said)) else another
    if reply.content.lstrip()[:1] == b"<":
        return Unreachable(f"{request.endpoint} answered {request.method} with a web page")
    if body.get("jsonrpc") != "2.0" or "result" not in body:
        what = "something that is not JSON-RPC"
        return MalformedAnswer(f"{request.endpoint} answered {request.method} with {what}")
    return None if is_ours else another


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by a Retry-After header, which is a number or an HTTP date (RFC 9110 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value, re.ASCII):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None


def _needs_our_number(said: ChainError | None) -> bool:
    """Whether it is the chain's word on a transaction, which is lost if it was said of another one."""
    return isinstance(said, PreflightFailed | TransactionRefused)


def _by_status(reply: Reply, request: Request, said: ChainError | None) -> ChainError:
    """What an answer with a status other than 200 means. `said` is what its body would mean by itself."""
    words = f"{request.endpoint} answered {request.method} with HTTP {reply.status}"
    wait = retry_after(reply.headers)
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(words, retry_after=wait)
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR or reply.status in PASSING:
        return said if isinstance(said, RateLimited | NodeBehind) else Unreachable(words, retry_after=wait)
    if reply.status in FORBIDDING:
        return said if isinstance(said, RateLimited) else Forbidden(words)
    if said is not None:
        return said
    if reply.status in WITHOUT_METHOD:
        return MethodMissing(reply.status, words, request.method)
    if reply.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return RpcRejected(reply.status, words, request.method)
    return Refused(words, code=reply.status, retry_after=wait)


def _said(error: object, reply: Reply, request: Request) -> ChainError | None:
    """What the error of a body means by itself, None without one."""
    if not error:
        return None
    fields = error if isinstance(error, dict) else {"message": error}
    code = _code(fields.get("code"))
    message = harmless(request.blot(" ".join(str(fields.get("message", "")).split())))[:MESSAGE_LENGTH]
    words = f"{request.endpoint} refused {request.method}: {message} (code {code})"
    wait = retry_after(reply.headers)
    meaning = MEANINGS.get(code)
    sends = request.method == "sendTransaction"
    match meaning:
        case Meaning.RATE:
            return RateLimited(words, retry_after=wait)
        case Meaning.BEHIND:
            kind = RateLimited if HINTS_AT_RATE.search(message) else NodeBehind
            return kind(words, retry_after=wait)
        case Meaning.PREFLIGHT if sends and (failure := _preflight(fields.get("data"))) is not None:
            return failure
        case Meaning.TRANSACTION if sends:
            return TransactionRefused(code, f"{request.endpoint} said: {message}", request.method)
        case Meaning.NO_BLOCK if request.method == "getBlockTime" and NAMES_A_MISSING_BLOCK.search(message):
            return NoBlock(code, f"{request.endpoint} said: {message}", request.method)
    if meaning is not None and meaning in REJECTIONS:
        return REJECTIONS[meaning](code, f"{request.endpoint} said: {message}", request.method)
    if HINTS_AT_RATE.search(message):
        return RateLimited(words, retry_after=wait)
    return Refused(words, code=code, retry_after=wait)


def _code(code: object) -> int:
    """The code as a number, 0 without one; some gateways write it as text."""
    try:
        return int(code) if isinstance(code, int | str) and len(str(code)) <= LONGEST_CODE else 0
    except ValueError:
        return 0


def _preflight(simulation: object) -> PreflightFailed | None:
    """The simulation that a -32002 carries; None where it carries none and so proves nothing."""
    if not isinstance(simulation, dict) or (err := error_text(simulation.get("err"))) is None:
        return None
    logs, units = simulation.get("logs"), simulation.get("unitsConsumed")
    return PreflightFailed(
        err,
        simulation["err"],
        tuple(harmless(str(line)) for line in logs) if isinstance(logs, list) else (),
        units if isinstance(units, int) else None,
    )
