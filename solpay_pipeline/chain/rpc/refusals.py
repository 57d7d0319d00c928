"""What the refusals of RPC providers mean: their codes, dialects and headers as the classes of `errors.py`.

Codes and dialects with their sources: docs/solana.md#rpc-limits-and-error-codes. An unknown code is a plain
`RpcRejected`.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from solpay_pipeline.base.text import harmless
from solpay_pipeline.chain.rpc.answers import error_text
from solpay_pipeline.chain.rpc.errors import (
    ChainError,
    Forbidden,
    MethodMissing,
    NodeBehind,
    PreflightFailed,
    RateLimited,
    RpcRejected,
    UnknownCursor,
    Unreachable,
    UnsupportedVersion,
)

RATE_LIMIT_CODES = frozenset({429, -32429, -32029})
BEHIND_CODES = frozenset({-32004, -32005, -32014, -32016})
INTERNAL_CODES = frozenset({-32603, -32019})
"""JSON-RPC's internal error, and Agave's long-term storage out of reach: both pass."""

PREFLIGHT_CODE = -32002
REJECTIONS: Mapping[int, type[RpcRejected]] = {
    -32015: UnsupportedVersion,
    -32020: UnknownCursor,
    -32601: MethodMissing,
}
SPEAKS_OF_RATE = re.compile(r"rate|limit|too many|quota|credit|throttl", re.IGNORECASE)
"""Distinguishes a rate limiter's -32005 from that of a node that is behind ("Node is behind by 42 slots")."""

PLAINLY_A_RATE = re.compile(r"rate.?limit|too many requests", re.IGNORECASE)
"""Strict enough to be believed with any code; "Too many inputs provided" is something else."""

MESSAGE_LENGTH = 300
"""A provider's words are cut to this length: they end up in logs and findings."""


def rpc_refusal(
    error: object, method: str, endpoint: str, headers: Mapping[str, str], blot: Callable[[str], str]
) -> ChainError:
    """What the `error` of a JSON-RPC answer means. `blot` removes secrets from the provider's words."""
    fields = error if isinstance(error, dict) else {"message": error}
    code = _code(fields.get("code"))
    message = harmless(blot(" ".join(str(fields.get("message", "")).split())))[:MESSAGE_LENGTH]
    said = f"{endpoint} refused {method}: {message} (code {code})"
    if code in RATE_LIMIT_CODES or PLAINLY_A_RATE.search(message):
        return RateLimited(said, retry_after=retry_after(headers))
    if code == -32005 and SPEAKS_OF_RATE.search(message):
        return RateLimited(said, retry_after=retry_after(headers))
    if code in BEHIND_CODES:
        return NodeBehind(said, retry_after=retry_after(headers))
    if code in INTERNAL_CODES:
        return Unreachable(said, retry_after=retry_after(headers))
    if code == PREFLIGHT_CODE and (failure := _preflight(fields.get("data"))) is not None:
        return failure
    return REJECTIONS.get(code, RpcRejected)(code, f"{endpoint} said: {message}", method)


def http_refusal(status: int, method: str, endpoint: str, headers: Mapping[str, str]) -> ChainError:
    """What an HTTP status other than 200 means on its own."""
    said = f"{endpoint} answered {method} with HTTP {status}"
    if status == 429:
        return RateLimited(said, retry_after=retry_after(headers))
    if status in (401, 402, 403):
        return Forbidden(said)
    if status >= 500 or status in (408, 425):
        return Unreachable(said, retry_after=retry_after(headers))
    if status in (404, 405, 410):
        return MethodMissing(status, said, method)
    return RpcRejected(status, said, method)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by a Retry-After header, which is a number or an HTTP date (RFC 9110 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _code(code: object) -> int:
    """The code as a number, 0 without one; some gateways write it as text."""
    try:
        return int(code) if isinstance(code, int | str) else 0
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
