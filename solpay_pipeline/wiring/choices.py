"""What a run may be told: once for the Launchpad, the command line and the management commands.

A run's choices say what to do now. How payments are judged stands in the settings: whoever may launch a run must not
be able to change what counts as paid.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from solpay_pipeline.lifecycle.judgement import Tolerance
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Judging:
    """How payments are judged, as the operator has decided for all runs.

    `watch_days` are the days after expiry for which wallets are still looked at. Without `check_history` an untouched
    wallet with a zero balance counts as never paid.
    """

    tolerance: Tolerance
    watch_days: int
    check_history: bool = True


def judging_of(settings: Settings) -> Judging:
    """As the settings say."""
    return Judging(tolerance=settings.underpayment_tolerance, watch_days=settings.watch_days)


class OperationChoices(BaseModel):
    """What every operation can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dry_run: bool = Field(default=False, description="Plan and report only: sign and write nothing.")
    sleep: float = Field(
        default=0.0, description="Seconds between blockchain operations, against rate limits."
    )
    payment_ids: list[int] = Field(default=[], description="Only these payments, by id. Empty: all.")
    max_runtime_seconds: float | None = Field(
        default=None, description="Stop cleanly between transactions after so many seconds. Empty: no limit."
    )
    discover_accounts: bool = Field(
        default=False,
        description="Also look for token accounts that no payment names; costs two more calls a wallet.",
    )

    def options(self, judging: Judging) -> Options:
        """The operation's options. Raises `BadOption`."""
        chosen = self.model_dump()
        payment_ids = frozenset(chosen.pop("payment_ids")) or None
        return Options(
            **chosen,
            payment_ids=payment_ids,
            tolerance=judging.tolerance,
            watch_days=judging.watch_days,
            check_history=judging.check_history,
        )


class ExpireChoices(OperationChoices):
    """What expire can be told."""

    close_wallets: bool = Field(
        default=True, description="Close the expired wallets' empty accounts at once."
    )


class SweepChoices(OperationChoices):
    """What sweep can be told."""

    sweep_held_funds: bool = Field(
        default=False, description="Sweep short, late and unexpected money too. Its payments stay expired."
    )


class RecheckChoices(OperationChoices):
    """What recheck can be told."""

    limit: int = Field(
        default=200,
        description="At most so many payments, those unseen for longest first. A day is looked at whole.",
    )
    forward_funds: bool = Field(default=True, description="Sweep what was found paid at once.")


class MaintainChoices(ExpireChoices, SweepChoices):
    """What expire, sweep and reclaim can be told together: what they share stands once."""


class DeliverChoices(BaseModel):
    """What the delivery of events can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_runtime_seconds: float | None = Field(
        default=300.0, description="Stop cleanly between events after so many seconds. Empty: no limit."
    )


CHOICES: Final[Mapping[str, type[OperationChoices]]] = MappingProxyType(
    {
        "expire": ExpireChoices,
        "sweep": SweepChoices,
        "reclaim": OperationChoices,
        "recheck": RecheckChoices,
        "maintain": MaintainChoices,
    }
)
"""By command. `options` of `MaintainChoices` is for checking alone: each of its operations has choices of its own."""
