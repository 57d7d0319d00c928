"""A payment as the customer sees it, and what the chain says it is worth: an oracle that shares no code with ours."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.chain.history import TransactionRecord
from solpay_pipeline.localnet.chain.token_layout import TOKEN_PROGRAMS, TokenAccount, read_token_account

Money = Counter[Pubkey | None]
"""Base units by mint, None for lamports."""

_FROZEN = 2


@dataclass(frozen=True, slots=True)
class Till:
    """One payment with its wallet. `prices` are base units by mint, None for SOL; `expires` is unix seconds."""

    number: int
    payment_id: int
    wallet_id: int
    keypair: Keypair
    prices: Mapping[Pubkey | None, int]
    expires: int

    @property
    def address(self) -> Pubkey:
        return self.keypair.pubkey()


@dataclass(frozen=True, slots=True)
class Change:
    """One successful transaction: base units that each owner gained (negative: lost), by mint."""

    signature: str
    slot: int
    block_time: int
    fee: int
    fee_payer: Pubkey
    lamports: Mapping[Pubkey, int]
    tokens: Mapping[Pubkey, Mapping[Pubkey, int]]
    """By mint, then by owner."""
    owners: Mapping[Pubkey, Pubkey]
    """Of the token accounts in it."""

    def of(self, owner: Pubkey) -> Money:
        """What this owner gained or lost."""
        money: Money = Counter()
        if self.lamports.get(owner):
            money[None] = self.lamports[owner]
        for mint, owners in self.tokens.items():
            if owners.get(owner):
                money[mint] = owners[owner]
        return money


class Account:
    """Reads changes off the chain's history, each once."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._read: dict[tuple[str, int], Change | None] = {}

    def changes(self, until_slot: int | None = None) -> Iterable[Change]:
        """All that is in the chain now up to this slot, oldest first."""
        for record in self._chain.history.everything():
            if until_slot is not None and record.slot > until_slot:
                continue
            key = (record.signature, record.slot)
            if key not in self._read:
                self._read[key] = None if record.err is not None else _change(record)
            change = self._read[key]
            if change is not None:
                yield change


def paid_at(till: Till, changes: Iterable[Change], ours: Pubkey) -> dict[Pubkey | None, tuple[int, str]]:
    """When each price was complete, by mint: unix seconds, and the signature of the transfer that completed it."""
    complete: dict[Pubkey | None, tuple[int, str]] = {}
    sums: Money = Counter()
    for change in changes:
        if change.fee_payer == ours:
            continue
        for mint, amount in change.of(till.address).items():
            if amount <= 0:
                continue
            sums[mint] += amount
            price = till.prices.get(mint)
            if price is not None and sums[mint] >= price and mint not in complete:
                complete[mint] = (change.block_time, change.signature)
    return complete


def was_paid_in_time(till: Till, changes: Iterable[Change], ours: Pubkey) -> bool:
    """Whether one of the prices was complete by the end of the payment's time."""
    return any(moment <= till.expires for moment, _ in paid_at(till, changes, ours).values())


def token_accounts(chain: Chain, owner: Pubkey) -> list[tuple[Pubkey, TokenAccount, int]]:
    """Token accounts of an owner as they are now: address, contents, lamports."""
    found = []
    for address in chain.accounts.token_accounts_of(owner):
        account = chain.accounts.newest(address)
        state = None if account is None else read_token_account(account.owner, account.data)
        if account is not None and state is not None and state.owner == owner:
            found.append((address, state, account.lamports))
    return found


def holdings(chain: Chain, owner: Pubkey, slot: int | None = None) -> tuple[Money, Money]:
    """What an owner holds at `slot` (None: now): what can be moved, and what is frozen."""
    movable: Money = Counter()
    frozen: Money = Counter()

    def at(address: Pubkey) -> object:
        return chain.accounts.newest(address) if slot is None else chain.accounts.at(address, slot)

    system = at(owner)
    if system is not None:
        movable[None] = system.lamports  # type: ignore[attr-defined]
    for address in chain.accounts.token_accounts_of(owner):
        account = at(address)
        if account is None or account.owner not in TOKEN_PROGRAMS:  # type: ignore[attr-defined]
            continue
        state = read_token_account(account.owner, account.data)  # type: ignore[attr-defined]
        if state is not None and state.owner == owner and state.amount:
            (frozen if state.state == _FROZEN else movable)[state.mint] += state.amount
    return +movable, frozen


def _change(record: TransactionRecord) -> Change:
    executed, keys = record.executed, record.decoded.keys
    lamports: Counter[Pubkey] = Counter()
    for key, before, after in zip(keys, executed.pre_balances, executed.post_balances, strict=True):
        lamports[key] += after - before
    tokens: defaultdict[Pubkey, Counter[Pubkey]] = defaultdict(Counter)
    for balances, sign in ((executed.pre_token_balances, -1), (executed.post_token_balances, 1)):
        for balance in balances:
            tokens[balance.mint][balance.owner] += sign * balance.amount
    owners = {
        keys[balance.account_index]: balance.owner
        for balance in (*executed.pre_token_balances, *executed.post_token_balances)
    }
    return Change(
        record.signature,
        record.slot,
        record.block_time,
        executed.fee,
        record.decoded.fee_payer,
        {key: amount for key, amount in lamports.items() if amount},
        {mint: dict(by_owner) for mint, by_owner in tokens.items()},
        owners,
    )
