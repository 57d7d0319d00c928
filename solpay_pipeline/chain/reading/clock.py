"""The chain's own time, read as an account: a bank's Clock sysvar holds the time of its block.

It is read together with other accounts, at their slot; getBlockTime says the same and costs a call.
"""

import struct
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from solders.account import Account
from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.chain.rpc.errors import Unanswered

CLOCK_SYSVAR: Final = Pubkey.from_string("SysvarC1ock11111111111111111111111111111111")
SYSVAR_PROGRAM: Final = Pubkey.from_string("Sysvar1111111111111111111111111111111111111")

_LAYOUT: Final = struct.Struct("<QqQQq")
"""slot, start of the epoch, epoch, epoch of the leader schedule, unix time (solana-clock, `Clock`)."""


def time_of_slot(account: Account | None, slot: int) -> datetime | None:
    """The block time of `slot`, None where the account is not a clock or is that of another slot."""
    if account is None or account.owner != SYSVAR_PROGRAM or len(account.data) != _LAYOUT.size:
        return None
    clock_slot, _, _, _, unix_time = _LAYOUT.unpack(account.data)
    if clock_slot != slot or unix_time <= 0:
        return None
    try:
        return datetime.fromtimestamp(unix_time, UTC)
    except (ValueError, OverflowError, OSError):
        return None


async def first_block_time(rpc: Rpc, slots: Sequence[int]) -> datetime:
    """The time of the first of these slots that has one; a slot may be skipped or too new.

    Raises `Unanswered` where none has.
    """
    for slot in slots:
        with suppress(Unanswered):
            known = await rpc.block_time(slot)
            if known is not None:
                return known
    raise Unanswered(f"no block time for the slots {min(slots)} to {max(slots)}")
