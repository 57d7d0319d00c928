"""How many calls an endpoint lets through in which time, learned from a refusal that says how long to wait.

Public endpoints count calls in windows of some seconds (solana.com/docs/references/clusters). One refusal shows how
long the window is and how many calls fit. From then on we stop before the limit, instead of being refused in every
window.
"""

FEWEST = 32
"""A refusal after fewer calls than this says nothing about a window: others used it up, or it was chance."""


class Allowance:
    """Counts what an endpoint lets through. Times are seconds of one clock.

    A refusal before the learned limit shows that the limit is wrong: it is forgotten.
    """

    def __init__(self) -> None:
        self._begun: float | None = None
        self._refused_until: float | None = None
        self._passed = 0
        self._most: int | None = None
        self._seconds = 0.0

    def take(self, now: float) -> float | None:
        """Count one call that is about to be made: None, or the time until which it would be refused."""
        if self._begun is None or now >= self._ends:
            self._begin(now)
        if self._most is not None and self._passed >= self._most:
            return self._ends
        self._passed += 1
        return None

    def refused(self, until: float) -> None:
        """Note that a counted call was refused, and that the endpoint wants none before `until`."""
        self._passed -= 1
        self._refused_until = max(until, self._refused_until or until)

    @property
    def _ends(self) -> float:
        if self._refused_until is not None:
            return self._refused_until
        return float("inf") if self._begun is None or self._most is None else self._begun + self._seconds

    def _begin(self, now: float) -> None:
        if self._refused_until is not None and self._begun is not None:
            is_learned = self._most is None and self._passed >= FEWEST
            self._most = self._passed if is_learned else None
            self._seconds = self._refused_until - self._begun
        self._begun, self._refused_until, self._passed = now, None, 0
