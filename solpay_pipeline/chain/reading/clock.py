"""The chain's own time, read as an account: the Clock sysvar of a bank holds the time of that bank's block.

It comes along with other accounts in one call, at their slot; getBlockTime tells the same and costs a call of its own.
"""

import struct
from datetime import UTC, datetime
from typing import Final

from solders.account import Account
from solders.pubkey import Pubkey

CLOCK_SYSVAR: Final = Pubkey.from_string("SysvarC1ock11111111111111111111111111111111")
SYSVAR_PROGRAM: Final = Pubkey.from_string("Sysvar1111111111111111111111111111111111111")

_LAYOUT: Final = struct.Struct("<QqQQq")
"""slot, start of the epoch, epoch, epoch of the leader schedule, unix time (solana-clock, `Clock`)."""


def time_of_slot(account: Account | None, slot: int) -> datetime | None:
    """The block time of `slot`, None where the account does not tell it: it is no clock, or that of another slot."""
    if account is None or account.owner != SYSVAR_PROGRAM or len(account.data) != _LAYOUT.size:
        return None
    told_slot, _, _, _, unix_time = _LAYOUT.unpack(account.data)
    if told_slot != slot or unix_time <= 0:
        return None
    try:
        return datetime.fromtimestamp(unix_time, UTC)
    except (ValueError, OverflowError, OSError):
        return None
