"""What moves where this process has no key: nothing. What would move is counted, and left to one that has keys."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from solders.pubkey import Pubkey

from solpay_pipeline.ledger.tables import Purpose
from solpay_pipeline.lifecycle.terms import WalletState
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.context.mover import LegJob, LegOutcome, LegResult, Opening

NO_KEY: Final = (
    "no key is in the environment of this process (SOLPAY_FEE_PAYER_KEYPAIR or SOLPAY_FEE_PAYER_SIGNER, and "
    "SOLPAY_WALLET_KEYS); a run that has them moves it"
)


@dataclass(frozen=True, slots=True)
class KeylessMover:
    """See `Mover`. No row changes: a wallet that waits for a key is as it was."""

    context: OperationContext
    purpose: Purpose
    state_in_flight: WalletState

    async def move(self, jobs: Sequence[LegJob], *, alone: Collection[int]) -> list[LegResult]:
        """See `Mover`; every job waits."""
        self.context.tally.kept_back += len(jobs)
        return [LegResult(job.wallet, LegOutcome.WAITS) for job in jobs]

    async def open_accounts(self, openings: Sequence[Opening]) -> dict[Pubkey, str]:
        """See `Mover`; taken for opened, since what would go there waits anyway."""
        return {}
