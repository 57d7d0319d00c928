"""Money that left a wallet by no transaction of ours: by the peer's own commands, or by somebody with its key.

Beside the peer money is safe by nature, since both send it to one receiver. It is explained by sums, never by the
presence of a movement: what did not reach the receiver is a finding, with its amount and where it went.
"""

from solpay_pipeline.base.errors import AboutOneRow
from solpay_pipeline.chain.reading.history import UNTOLD, HistoryUnfinished
from solpay_pipeline.lifecycle.evidence.statement import Entry, EntryClass, Statement
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.holdings import Mint
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.looking.snapshots import remember_open_accounts, wallet_history


class AccountsUnseen(AboutOneRow):
    """The wallet has open accounts that were not looked at: its money may lie there."""


async def went_home(context: OperationContext, snapshot: Snapshot) -> list[Finding]:
    """Report where the money of an empty wallet went, by asset.

    `FOREIGN_MOVEMENT` where all of it went to the receiver; `FUNDS_ELSEWHERE`, which sets aside, for each asset of
    which some did not, or where nothing explains that the wallet is empty.

    Raises `HistoryUnfinished` where the run's time is over, `AccountsUnseen`.
    """
    statement = await _statement(context, snapshot, "the payment is accepted, but its wallet is empty")
    if isinstance(statement, Finding):
        return [statement]
    lost = _lost(snapshot, statement)
    if lost:
        return lost
    home = [one for one in statement.money if one.entry_class is EntryClass.WENT_HOME]
    if not home:
        words = "the payment is accepted, but its wallet is empty and no transaction of the node's history explains it"
        return [_finding(snapshot, FindingCode.FUNDS_ELSEWHERE, words)]
    signatures = list(dict.fromkeys(one.signature for one in home))
    ours = context.records.own_among(signatures)
    strange = [one for one in signatures if one not in ours]
    if not strange:
        return []  # A node had said of ours that it would never land.
    words = f"it was swept to the receiver by transactions that are not ours: {', '.join(strange)}"
    return [_finding(snapshot, FindingCode.FOREIGN_MOVEMENT, words)]


async def went_elsewhere(context: OperationContext, snapshot: Snapshot) -> list[Finding]:
    """Report what of a wallet's money went elsewhere before we sent the rest home, by asset.

    Raises `HistoryUnfinished` where the run's time is over, `AccountsUnseen`.
    """
    statement = await _statement(context, snapshot, "less went home than its payment asked for")
    return [statement] if isinstance(statement, Finding) else _lost(snapshot, statement)


async def _statement(context: OperationContext, snapshot: Snapshot, words: str) -> Statement | Finding:
    """The wallet's statement; where its history cannot be read a finding, which begins with `words`."""
    try:
        statement = (await wallet_history(context, snapshot)).statement
    except HistoryUnfinished:
        raise
    except UNTOLD as error:
        why = f"{words}, and its history cannot be read: {error}"
        return _finding(snapshot, FindingCode.FUNDS_ELSEWHERE, why)
    if remember_open_accounts(context, snapshot, statement):
        raise AccountsUnseen("it has accounts that were not looked at")
    return statement


def _lost(snapshot: Snapshot, statement: Statement) -> list[Finding]:
    lost = [one for one in statement.money if _is_lost(snapshot, one)]
    return [
        _elsewhere(snapshot, asset, [one for one in lost if one.asset == asset])
        for asset in dict.fromkeys(one.asset for one in lost)
    ]


def _is_lost(snapshot: Snapshot, entry: Entry) -> bool:
    """It went to a stranger, or to nobody: burnt, or spent on opening accounts. A token's transfer fee is neither."""
    if entry.entry_class is EntryClass.WITHHELD and entry.asset is not None:
        mint = snapshot.mints.get(entry.asset)
        return isinstance(mint, Mint) and not mint.has_transfer_fee
    return entry.entry_class in (EntryClass.ELSEWHERE, EntryClass.WITHHELD)


def _elsewhere(snapshot: Snapshot, asset: object, lost: list[Entry]) -> Finding:
    parts = [f"{-one.amount} {_what_became(one)} by {one.signature}" for one in lost]
    name = "lamports" if lost[0].asset is None else f"base units of {asset}"
    words = f"not all of its money went to the receiver: of {name} {'; '.join(parts)}"
    amount = -sum(one.amount for one in lost)
    return _finding(snapshot, FindingCode.FUNDS_ELSEWHERE, words, lost[0], amount)


def _what_became(entry: Entry) -> str:
    if entry.towards is not None:
        return f"went to {entry.towards}"
    return "were spent on opening accounts" if entry.asset is None else "were burnt"


def _finding(
    snapshot: Snapshot, code: FindingCode, words: str, entry: Entry | None = None, amount: int = 0
) -> Finding:
    mint = None if entry is None else entry.asset
    return Finding(code, snapshot.wallet.id, snapshot.payment.id, words, mint, amount)
