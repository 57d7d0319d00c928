"""One endpoint as we have come to know it within a run: its cluster, its powers, and when to leave it alone.

A node that wants fewer requests, or does not answer at all, is left alone by every call. Trouble with one method is no
trouble with another: only that method rests.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from solpay_pipeline.base.waiting import tell_wait
from solpay_pipeline.chain.rpc.allowance import Allowance
from solpay_pipeline.chain.rpc.errors import ChainError, RateLimited, Transient, Unreachable
from solpay_pipeline.chain.rpc.pace import Limiter
from solpay_pipeline.chain.rpc.transport import Transport

BACKOFF_SECONDS = 0.25
BACKOFF_CAP_SECONDS = 8.0
"""A first failure costs half a slot or so; an outage is asked about every few seconds."""

FORBIDDEN_REST_SECONDS = 60.0
"""A refused key stays refused, but a new plan or a lifted block should be noticed within a run."""

LONGEST_REST_SECONDS = 3600.0
"""A longer Retry-After is taken for a mistake."""


@dataclass(slots=True)
class Rest:
    """A pause of an endpoint, or of one method of it, and why."""

    until: float = float("-inf")
    failures: int = 0
    cause: ChainError | None = field(default=None, repr=False)

    def begin(self, cause: ChainError, now: float) -> None:
        """Rest for as long as was asked, or ever longer. Of calls that fail together only the first lengthens it."""
        asked = cause.retry_after if isinstance(cause, Transient) else FORBIDDEN_REST_SECONDS
        is_resting = now < self.until
        if asked is None and is_resting:
            return
        self.failures += 0 if is_resting else 1
        self.cause = cause
        # A node that asks for no wait at all still gets the backoff.
        self.until = max(
            self.until, now + max(min(asked or 0.0, LONGEST_REST_SECONDS), backoff(self.failures))
        )

    def end(self, now: float) -> None:
        """Forget earlier failures, but not a rest that another call was asked for."""
        if now >= self.until:
            self.failures = 0


@dataclass(slots=True)
class Node:
    """One endpoint and how it has behaved. `genesis` is None until its cluster has been checked.

    `lacking` are the methods that it has said it does not offer.
    """

    name: str
    transport: Transport
    limiter: Limiter
    clock: Callable[[], float]
    genesis: str | None = None
    history_from: int | None = None
    """The oldest slot whose block this endpoint had when it was first asked; None where it does not tell."""
    has_told_history: bool = False
    lacking: dict[str, ChainError] = field(default_factory=dict, repr=False)
    rest: Rest = field(default_factory=Rest)
    rests: dict[str, Rest] = field(default_factory=dict)
    """Those of single methods."""
    told_until: float = float("-inf")
    first_asking: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    allowance: Allowance = field(default_factory=Allowance, repr=False)

    def is_resting(self, method: str) -> bool:
        """Whether this endpoint must not be asked this for now."""
        return self.clock() < self.rests_until(method)

    def rests_until(self, method: str) -> float:
        """When it may be asked this again, by its clock."""
        return self._longest(method).until

    def tell_rest(self, method: str) -> None:
        """Say that this endpoint is waited for, once a rest."""
        rest = self._longest(method)
        if self.told_until < rest.until:
            self.told_until = rest.until
            tell_wait(rest.until - self.clock(), str(rest.cause or f"{self.name} is used up for now"))

    def is_used_up(self) -> bool:
        """Count a call that is about to be made. True where it would be refused: the endpoint then rests."""
        until = self.allowance.take(self.clock())
        if until is not None:
            self.rest.until = max(self.rest.until, until)
        return until is not None

    def failed(self, error: ChainError, method: str) -> None:
        """Let the endpoint rest, or this method of it, where the trouble is not known to be wider."""
        is_wide = isinstance(error, RateLimited | Unreachable)
        rest = self.rest if is_wide else self.rests.setdefault(method, Rest())
        rest.begin(error, self.clock())
        if isinstance(error, RateLimited) and error.retry_after is not None:
            self.allowance.refused(self.rest.until)

    def answered(self, method: str) -> None:
        """Forget earlier failures."""
        now = self.clock()
        self.rest.end(now)
        if method in self.rests:
            self.rests[method].end(now)

    def why_resting(self, method: str) -> ChainError:
        """What a call gets that cannot wait for the end of the rest: the trouble of its own method, or the node's."""
        rest = self._longest(method)
        if rest is not self.rest and rest.cause is not None:
            return rest.cause
        left = max(0.0, rest.until - self.clock())
        words = f"{self.name} is left alone for another {left:.0f} s"
        if isinstance(rest.cause, RateLimited):
            return RateLimited(f"{words}: it wants fewer requests", retry_after=left)
        return Unreachable(words if rest.cause is None else f"{words}, since {rest.cause}")

    def _longest(self, method: str) -> Rest:
        of_method = self.rests.get(method, self.rest)
        return max(self.rest, of_method, key=lambda rest: rest.until)


def backoff(failures: int) -> float:
    """Seconds of rest after so many failures in a row, jittered so that two clients do not come back together."""
    full = min(BACKOFF_CAP_SECONDS, BACKOFF_SECONDS * 2.0 ** min(failures - 1, 16))
    return full * random.uniform(0.5, 1.0)  # noqa: S311  (nothing secret about it)
