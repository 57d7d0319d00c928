"""The books: what came in and where it is now, read from the chain's history and accounts and from nothing else.

The ledger is then held against them: its sums must be the chain's.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from solders.pubkey import Pubkey

from solpay_pipeline.base.database import reading
from solpay_pipeline.demo.history_sums import HistorySums, read_history
from solpay_pipeline.demo.shop import Shop
from solpay_pipeline.ledger.tables import MovementKind, TransactionState, leg, movement, transaction
from solpay_pipeline.lifecycle.terms import WalletState
from solpay_pipeline.localnet.chain.token_layout import (
    NATIVE_MINT,
    TokenAccount,
    read_mint,
    read_token_account,
)
from solpay_pipeline.testing.shop import FEE_PAYER_LAMPORTS, RECEIVER_LAMPORTS

# Token-2022's TLV entries that hold withheld fees (spl-token-2022-interface extension/transfer_fee): in a mint after
# two authorities of 32 bytes, in an account alone.
_MINT_FEES, _MINT_FEES_AT = 1, 64
_ACCOUNT_FEES = 2


@dataclass(frozen=True, slots=True)
class AssetBook:
    """One asset in base units: `came_in` is what customers let go for the shop's wallets, the rest is where it is."""

    symbol: str
    came_in: int
    receiver: int
    withheld: int
    held: int
    in_wallets: int
    elsewhere: int

    @property
    def difference(self) -> int:
        """What came in and is nowhere; 0 where the book balances."""
        return self.came_in - self.receiver - self.withheld - self.held - self.in_wallets - self.elsewhere


@dataclass(frozen=True, slots=True)
class LamportBook:
    """Every lamport of the shop's accounts, wrapped SOL and rent included.

    `came_in` is what others put into them (customers' money, rent of accounts that others opened), the openings
    are the faucet's.
    """

    came_in: int
    fee_payer_at_start: int
    receiver_at_start: int
    receiver: int
    fee_payer: int
    fees: int
    rent_locked: int
    in_wallets: int
    elsewhere: int

    @property
    def difference(self) -> int:
        """0 where the book balances."""
        put_in = self.came_in + self.fee_payer_at_start + self.receiver_at_start
        there = (
            self.receiver + self.fee_payer + self.fees + self.rent_locked + self.in_wallets + self.elsewhere
        )
        return put_in - there


@dataclass(frozen=True, slots=True)
class Comparison:
    """One sum as the chain tells it and as the ledger does."""

    what: str
    chain: int
    ledger: int


@dataclass(frozen=True, slots=True)
class Books:
    """All books of the shop."""

    assets: tuple[AssetBook, ...]
    lamports: LamportBook
    ledger: tuple[Comparison, ...]

    @property
    def balance(self) -> bool:
        """Tell whether nothing is missing anywhere, to the last base unit."""
        return (
            not any(book.difference for book in self.assets)
            and not self.lamports.difference
            and all(one.chain == one.ledger for one in self.ledger)
        )


@dataclass(frozen=True, slots=True)
class _Held:
    """A token account as it is now."""

    owner: Pubkey
    lamports: int
    state: TokenAccount

    @property
    def rent(self) -> int:
        """Its lamports without what is wrapped in it."""
        return self.lamports - (self.state.amount if self.state.native_reserve is not None else 0)


def keep_books(shop: Shop, states: Mapping[int, WalletState]) -> Books:
    """Read the whole chain and put the books together; `states` are the wallets' states by id."""
    seen = read_history(shop)
    accounts = list(_token_accounts(shop))
    holding = {case.address: states[case.wallet_id] is WalletState.RECEIVED_FUNDS for case in shop.cases}
    assets = [_sol_book(shop, seen, holding)]
    for mint in shop.mints:
        mine = [account for account in accounts if account.state.mint == mint]
        assets.append(_token_book(shop, mint, seen, mine, holding))
    return Books(tuple(assets), _lamport_book(shop, seen, accounts, holding), tuple(_comparisons(shop, seen)))


def _token_accounts(shop: Shop) -> Iterator[_Held]:
    """Every token account of the receiver, the stranger and the wallets, as it is now."""
    for owner in (shop.receiver, shop.stranger, *(case.address for case in shop.cases)):
        for address in shop.chain.accounts.token_accounts_of(owner):
            account = shop.chain.accounts.newest(address)
            state = None if account is None else read_token_account(account.owner, account.data)
            if account is not None and state is not None and state.owner == owner:
                yield _Held(owner, account.lamports, state)


def _sol_book(shop: Shop, seen: HistorySums, holding: Mapping[Pubkey, bool]) -> AssetBook:
    lamports = shop.seed.lamports
    return AssetBook(
        symbol="SOL",
        came_in=seen.came_in[None],
        receiver=lamports(shop.receiver) - RECEIVER_LAMPORTS,
        withheld=0,
        held=sum(lamports(address) for address, is_held in holding.items() if is_held),
        in_wallets=sum(lamports(address) for address, is_held in holding.items() if not is_held),
        elsewhere=lamports(shop.stranger),
    )


def _token_book(
    shop: Shop,
    mint: Pubkey,
    seen: HistorySums,
    accounts: list[_Held],
    holding: Mapping[Pubkey, bool],
) -> AssetBook:
    def amount(owners: Iterable[Pubkey]) -> int:
        wanted = frozenset(owners)
        return sum(account.state.amount for account in accounts if account.owner in wanted)

    withheld_here = sum(_withheld(account.state.extensions, _ACCOUNT_FEES, 0) for account in accounts)
    supply, withheld_at_mint = _mint_totals(shop, mint)
    # Wrapped SOL has no supply; of all others the customer has let go what he does not have any more.
    let_go = supply - shop.seed.token_balance(shop.seed.ata(shop.seed.customer.pubkey(), mint))
    return AssetBook(
        symbol=shop.tokens[mint].symbol,
        came_in=seen.came_in[mint] if mint == NATIVE_MINT else let_go,
        receiver=amount([shop.receiver]),
        withheld=withheld_here + withheld_at_mint,
        held=amount(address for address, is_held in holding.items() if is_held),
        in_wallets=amount(address for address, is_held in holding.items() if not is_held),
        elsewhere=amount([shop.stranger]),
    )


def _mint_totals(shop: Shop, mint: Pubkey) -> tuple[int, int]:
    account = shop.chain.accounts.newest(mint)
    state = None if account is None else read_mint(account.owner, account.data)
    if state is None:
        raise ValueError(f"{mint} is no mint")
    return state.supply, _withheld(state.extensions, _MINT_FEES, _MINT_FEES_AT)


def _withheld(extensions: tuple[tuple[int, bytes], ...], kind: int, offset: int) -> int:
    return sum(
        int.from_bytes(value[offset : offset + 8], "little") for found, value in extensions if found == kind
    )


def _lamport_book(
    shop: Shop, seen: HistorySums, accounts: list[_Held], holding: Mapping[Pubkey, bool]
) -> LamportBook:
    wrapped = dict.fromkeys((shop.receiver, shop.stranger, *holding), 0)
    for account in accounts:
        wrapped[account.owner] += account.lamports - account.rent
    openings = FEE_PAYER_LAMPORTS + RECEIVER_LAMPORTS
    return LamportBook(
        came_in=seen.lamports_in - openings,
        fee_payer_at_start=FEE_PAYER_LAMPORTS,
        receiver_at_start=RECEIVER_LAMPORTS,
        receiver=shop.seed.lamports(shop.receiver) + wrapped[shop.receiver],
        fee_payer=shop.seed.lamports(shop.fee_payer.pubkey()),
        fees=seen.fees,
        rent_locked=sum(account.rent for account in accounts),
        in_wallets=sum(shop.seed.lamports(address) + wrapped[address] for address in holding),
        elsewhere=shop.seed.lamports(shop.stranger) + wrapped[shop.stranger],
    )


def _comparisons(shop: Shop, seen: HistorySums) -> Iterator[Comparison]:
    landed = (TransactionState.CONFIRMED, TransactionState.FINALIZED)
    with reading(shop.engine) as connection:
        costs = connection.execute(
            sa.select(transaction.c.fee).where(transaction.c.state.in_((*landed, TransactionState.FAILED)))
        ).scalars()
        fees = list(costs)
        rows = connection.execute(
            sa.select(movement.c.kind, movement.c.mint, movement.c.amount)
            .join(leg, leg.c.id == movement.c.leg_id)
            .join(transaction, transaction.c.id == leg.c.transaction_id)
            .where(transaction.c.state.in_(landed))
        )
        moved: Counter[tuple[str, str | None]] = Counter()
        for kind, mint, amount in rows:
            moved[kind, mint] += amount
    yield Comparison("transactions that landed or failed", seen.transactions, len(fees))
    yield Comparison("fees, lamports", seen.fees, sum(fees))
    yield Comparison(
        "rent back, lamports",
        seen.rent_back,
        sum(amount for (kind, _), amount in moved.items() if kind == MovementKind.RENT),
    )
    yield Comparison("SOL sent home, lamports", seen.sent[None], moved[MovementKind.LAMPORTS, None])
    for mint in shop.mints:
        ledger = moved[MovementKind.TOKENS, str(mint)]
        yield Comparison(f"{shop.tokens[mint].symbol} sent home, base units", seen.sent[mint], ledger)
