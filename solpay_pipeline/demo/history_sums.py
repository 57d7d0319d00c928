"""What the chain's whole history says of the shop's money: what others put in, and what our transactions did.

Sums are of balances before and after, as blocks record them; a failed transaction counts by its fee alone.
"""

from collections import Counter
from dataclasses import dataclass, field

from solders.pubkey import Pubkey

from solpay_pipeline.demo.shop import Shop
from solpay_pipeline.localnet.chain.history import TransactionRecord
from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT


@dataclass(slots=True)
class HistorySums:
    """Base units by mint, lamports under None.

    `came_in` is what came to wallets by others' transactions, `lamports_in` all lamports that these put into the shop's
    accounts; `sent`, `rent_back`, `fees` and `transactions` are of those that the fee payer paid for.
    """

    came_in: Counter[Pubkey | None] = field(default_factory=Counter)
    lamports_in: int = 0
    sent: Counter[Pubkey | None] = field(default_factory=Counter)
    rent_back: int = 0
    fees: int = 0
    transactions: int = 0


def read_history(shop: Shop) -> HistorySums:
    """Add up every transaction that the chain keeps."""
    seen = HistorySums()
    wallets = frozenset(case.address for case in shop.cases)
    ours = wallets | {shop.fee_payer.pubkey(), shop.receiver, shop.stranger}
    for record in shop.chain.history.everything():
        if record.decoded.fee_payer == shop.fee_payer.pubkey():
            _add_ours(seen, record, wallets)
        else:
            _add_others(seen, record, wallets, ours)
    return seen


def _add_others(
    seen: HistorySums, record: TransactionRecord, wallets: frozenset[Pubkey], ours: frozenset[Pubkey]
) -> None:
    for owner, change in _lamport_changes(record).items():
        seen.lamports_in += change if owner in ours else 0
    for (address, asset), change in _asset_changes(record).items():
        if address in wallets:
            seen.came_in[asset] += max(change, 0)


def _add_ours(seen: HistorySums, record: TransactionRecord, wallets: frozenset[Pubkey]) -> None:
    seen.transactions += 1
    seen.fees += record.executed.fee
    for (address, asset), change in _asset_changes(record).items():
        if address in wallets:
            seen.sent[asset] -= change
    done = record.executed
    for one in done.pre_token_balances:
        if one.owner in wallets and done.post_balances[one.account_index] == 0:
            wrapped = one.amount if one.mint == NATIVE_MINT else 0
            seen.rent_back += done.pre_balances[one.account_index] - wrapped


def _lamport_changes(record: TransactionRecord) -> Counter[Pubkey]:
    """Changes of lamports by address, those of token accounts under their owners."""
    done = record.executed
    owners = {one.account_index: one.owner for one in (*done.pre_token_balances, *done.post_token_balances)}
    changes: Counter[Pubkey] = Counter()
    for index, key in enumerate(record.decoded.keys):
        changes[owners.get(index, key)] += done.post_balances[index] - done.pre_balances[index]
    return changes


def _asset_changes(record: TransactionRecord) -> Counter[tuple[Pubkey, Pubkey | None]]:
    """Changes of base units by owner and mint; lamports of system accounts under None, of token accounts nowhere."""
    done = record.executed
    changes: Counter[tuple[Pubkey, Pubkey | None]] = Counter()
    for sign, balances in ((-1, done.pre_token_balances), (1, done.post_token_balances)):
        for one in balances:
            changes[one.owner, one.mint] += sign * one.amount
    token_accounts = {one.account_index for one in (*done.pre_token_balances, *done.post_token_balances)}
    for index, key in enumerate(record.decoded.keys):
        if index not in token_accounts:
            changes[key, None] += done.post_balances[index] - done.pre_balances[index]
    return changes
