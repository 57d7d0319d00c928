"""Wallets that strangers name in thousands of transactions: a balance that covers a price is evidence by itself.

What is there was paid, whatever else came and went: only which transfer completed it, and when, is looked for.
"""

from typing import Final

from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.crossing import Crossing
from solpay_pipeline.chain.reading.history import History
from solpay_pipeline.lifecycle.evidence.grounds import Evidence
from solpay_pipeline.lifecycle.evidence.statement import Entry, EntryClass, Statement
from solpay_pipeline.lifecycle.judgement import Due, covered
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.operations.context.context import OperationContext

LONG: Final = 64
"""Transactions from which on halving asks for much less than reading them all."""


async def paid_by_balance(
    context: OperationContext, snapshot: Snapshot, *, at_least: int = 1
) -> History | None:
    """What brought a balance that pays a price in time, where `at_least` so many transactions name its account.

    It says nothing of other assets, nor of what left again. Raises the errors of `history.UNTOLD`.
    """
    for due in covered(
        snapshot.payment, snapshot.holdings.balances(), snapshot.decimals, context.options.tolerance
    ):
        for account, balance in _accounts(snapshot, due.mint):
            crossing = await context.chain.crossing(
                account,
                mint=due.mint,
                amount=due.amount,
                until=due.until,
                at_least=at_least,
                commitment=context.deployment.acceptance,
                min_context_slot=context.chain_slot,
            )
            if crossing is not None:
                return _history(snapshot.holdings.owner, account, balance, due, crossing)
    return None


def _accounts(snapshot: Snapshot, mint: Pubkey | None) -> list[tuple[Pubkey, int]]:
    """Where the wallet holds an asset, and how many base units."""
    holdings = snapshot.holdings
    if mint is None:
        return [(holdings.owner, holdings.lamports)]
    return [(token.account, token.amount) for token in holdings.tokens if token.mint.address == mint]


def _history(owner: Pubkey, account: Pubkey, balance: int, due: Due, crossing: Crossing) -> History:
    """The transfer that completed the price, and what is there beyond it since."""
    parts = [(crossing.transaction, crossing.balance), (crossing.newest, balance - crossing.balance)]
    entries = tuple(
        Entry(record.signature, record.slot, record.block_time, account, due.mint, EntryClass.CAME_IN, amount)
        for record, amount in parts
        if amount > 0
    )
    return History(Statement(owner, entries), crossing.first_slot, Evidence.CROSSING)
