"""Money that a wallet's own history shows coming and going."""

from dataclasses import dataclass
from datetime import datetime

from solders.pubkey import Pubkey


@dataclass(frozen=True, slots=True)
class Flow:
    """One successful transaction's effect on one asset of a wallet.

    `amount` is in base units, positive for what came in, negative for what left. `mint` is None for lamports.
    `block_time` is None where the node does not know it. `beneficiaries` are the addresses (owners, for
    tokens) that gained of the same asset in the same transaction; of interest where money left.
    Read from balances before and after, never from log text: programs that log nothing count as well.
    """

    signature: str
    slot: int
    block_time: datetime | None
    mint: Pubkey | None
    amount: int
    beneficiaries: tuple[Pubkey, ...] = ()
