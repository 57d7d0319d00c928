"""What one landed transaction did to the accounts that it names: the raw material of a wallet's statement.

Read from balances before and after, never from log text: programs that log nothing count as well.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from solders.pubkey import Pubkey


@dataclass(frozen=True, slots=True)
class Change:
    """One account before and after a transaction, lamports and token base units.

    `holder` is who owns the tokens; for an account without tokens it is the address itself. `mint` is None where the
    account held no tokens, before or after. `opened` and `closed` tell that it became or ceased to be a token account.
    """

    address: Pubkey
    holder: Pubkey
    lamports_before: int
    lamports_after: int
    mint: Pubkey | None = None
    tokens_before: int = 0
    tokens_after: int = 0
    opened: bool = False
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Effect:
    """One successful transaction: its place and time, its fee in lamports and who paid it, every change it made.

    `block_time` is None where no node knows it.
    """

    signature: str
    slot: int
    block_time: datetime | None
    fee: int
    fee_payer: Pubkey
    changes: tuple[Change, ...]


def in_order(effects: Iterable[Effect]) -> list[Effect]:
    """Effects in the order of execution: by slot, and within a slot by what their balances tell.

    A node lists the transactions of a slot in an order of its own. One whose balances before are another's after came
    behind it. Where nothing tells, the order given stands.
    """
    ordered: list[Effect] = []
    for _, same_slot in groupby(sorted(effects, key=lambda one: one.slot), key=lambda one: one.slot):
        waiting = list(same_slot)
        while waiting:
            first = next((one for one in waiting if not _follows_any(one, waiting)), waiting[0])
            waiting.remove(first)
            ordered.append(first)
    return ordered


def _follows_any(effect: Effect, others: Sequence[Effect]) -> bool:
    return any(_follows(effect, other) for other in others if other is not effect)


def _follows(effect: Effect, other: Effect) -> bool:
    """Whether an account that both changed tells that `effect` came behind `other`, and none tells the reverse."""
    before = {one.address: one for one in other.changes}
    shared = [(before[one.address], one) for one in effect.changes if one.address in before]
    is_behind = any(
        _after(first) == _before(then) and _after(then) != _before(first) for first, then in shared
    )
    is_ahead = any(
        _after(then) == _before(first) and _after(first) != _before(then) for first, then in shared
    )
    return is_behind and not is_ahead


def _before(change: Change) -> tuple[int, int]:
    return change.lamports_before, change.tokens_before


def _after(change: Change) -> tuple[int, int]:
    return change.lamports_after, change.tokens_after
