"""What an operation does with a payment, by what is to be done with it: a table for each operation."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from solpay_pipeline.lifecycle.judgement import Judgement, Standing
from solpay_pipeline.lifecycle.resolution import Disposition, Resolution


class Step(StrEnum):
    """What an operation does with a payment."""

    ACCEPT = "accept"
    EXPIRE = "expire"
    """The payment expires, its wallet is empty."""
    HOLD = "hold"
    RELEASE = "release"
    """Its money may go: the caller moves it."""
    CLOSE = "close"
    """Expired before, and empty: the caller closes it."""
    RECLAIM = "reclaim"
    """Expired before, and empty: at rest where we swept it, else left to reclaim."""
    WAIT = "wait"
    WAIT_AS_CREATED = "wait_as_created"
    """As `WAIT`, but an empty wallet goes back to `created`."""
    SET_ASIDE = "set_aside"


@dataclass(frozen=True, slots=True)
class Policy:
    """The step for each disposition; what is not named waits. `undated` takes precedence where it is given."""

    steps: Mapping[Disposition, Step]
    undated: Step | None = None

    def step(self, judgement: Judgement, resolution: Resolution) -> Step:
        """What is done with a payment that was judged and resolved so."""
        if self.undated is not None and judgement.standing is Standing.UNDATED:
            return self.undated
        return self.steps.get(resolution.disposition, Step.WAIT)


EXPIRING: Final = Policy(
    {
        Disposition.ACCEPT: Step.ACCEPT,
        Disposition.EXPIRE: Step.EXPIRE,
        Disposition.EXPIRE_AND_HOLD: Step.HOLD,
        Disposition.HOLD: Step.HOLD,
        Disposition.CLOSE: Step.CLOSE,
        Disposition.SET_ASIDE: Step.SET_ASIDE,
    }
)
"""For payments whose time is over, or that expired before."""

SWEEPING: Final = Policy(
    {
        Disposition.ACCEPT: Step.ACCEPT,
        Disposition.WAIT: Step.WAIT_AS_CREATED,
        Disposition.HOLD: Step.HOLD,
        Disposition.CLOSE: Step.RECLAIM,
        Disposition.SET_ASIDE: Step.SET_ASIDE,
    }
)
"""For wallets that are to be swept though nobody accepted their payment. What has to expire is left to expire."""

SWEEPING_HELD: Final = Policy({**SWEEPING.steps, Disposition.HOLD: Step.RELEASE})
"""As `SWEEPING`, where an operator lets held money go."""

RECHECKING: Final = Policy({Disposition.ACCEPT: Step.ACCEPT}, undated=Step.SET_ASIDE)
"""What is not paid stays as it is."""
