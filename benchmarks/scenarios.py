"""What is measured: the state that a shop is brought into, the commands of both sides, and when the end is right."""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path

from solders.pubkey import Pubkey

from benchmarks.chain import AT_ONCE, LocalChain, Pace, started
from benchmarks.shops import PAID_LAMPORTS, PAID_UNITS, Shop, addresses, chain_of, shop_of
from solpay_pipeline.base.database import open_engine
from solpay_pipeline.ledger.migrations import migrate
from solpay_pipeline.localnet.chain.token_layout import TOKEN_PROGRAM, ata_address

PAYMENT = "django_solana_payments_solanapayment"
WALLET = "django_solana_payments_onetimepaymentwallet"
LINK = "django_solana_payments_solanapayment_crypto_prices"

LAMPORTS_A_SIGNATURE = 5_000
ACCOUNTS_A_READ, STATUSES_A_POLL = 100, 256
TOKENS, MINTS = 2, 2
SWEPT_TOGETHER, BOTH_TOGETHER, CLOSED_TOGETHER = 5, 4, 6
"""Wallets with two accounts in a version 0 transaction of 1,232 bytes without a compute budget: SOL or a token and two
closes, both and two closes (a fifth would make it 1,336 bytes), two closes alone."""


@dataclass(frozen=True, slots=True)
class Floor:
    """The fewest RPC calls, transactions and lamports of base fee that could do it."""

    calls: int
    transactions: int
    fee: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """`arrange` changes the copied database; `wrong` says what is not as it should be at the end, or nothing."""

    name: str
    paid_in: str
    operation: str
    peer_command: str
    status: str
    state: str
    is_over: bool
    floor: Callable[[int], Floor]
    ends: tuple[str, str]
    are_closed: bool
    received: tuple[int, int] = (0, 0)
    paid_token: int | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


@contextmanager
def staged(scenario: Scenario, size: int, pace: Pace = AT_ONCE) -> Iterator[tuple[Shop, Path, LocalChain]]:
    """A shop's files, and a copy of its database and its chain in the scenario's first state."""
    shop = shop_of(size)
    with tempfile.TemporaryDirectory(prefix="solpay-bench-") as place:
        database = copied(shop, scenario, size, Path(place))
        with started(chain_of(shop, scenario.paid_in), pace) as chain:
            yield shop, database, chain


def copied(shop: Shop, scenario: Scenario, size: int, folder: Path) -> Path:
    """A copy of the shop's database with `size` payments in the scenario's first state."""
    path = folder / "shop.sqlite3"
    path.write_bytes(shop.database.read_bytes())
    with sqlite3.connect(path) as connection:
        connection.execute(f"DELETE FROM {LINK} WHERE solanapayment_id > ?", [size])
        connection.execute(f"DELETE FROM {PAYMENT} WHERE id > ?", [size])
        connection.execute(f"DELETE FROM {WALLET} WHERE id > ?", [size])
        connection.execute(
            f"UPDATE {PAYMENT} SET status = ?, paid_token_id = ?", [scenario.status, scenario.paid_token]
        )
        connection.execute(f"UPDATE {WALLET} SET state = ?", [scenario.state])
        if scenario.is_over:
            over = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=1)
            connection.execute(f"UPDATE {PAYMENT} SET expiration_date = ?", [str(over)])
    connection.close()
    engine = open_engine(f"sqlite:///{path}")
    migrate.upgrade(engine)
    engine.dispose()
    return path


def wrong(shop: Shop, scenario: Scenario, database: Path, chain: LocalChain, before: tuple[int, int]) -> str:
    """What is not as it should be in database and chain; empty where all is."""
    status, state = scenario.ends
    problems = []
    with sqlite3.connect(database) as connection:
        for table, column, value in ((PAYMENT, "status", status), (WALLET, "state", state)):
            rows = connection.execute(
                f"SELECT {column}, count(*) FROM {table} WHERE {column} <> ? GROUP BY 1", [value]
            )
            problems += [f"{count} rows {found}, not {value}" for found, count in rows.fetchall()]
    owners = list(addresses(database))
    mints = [Pubkey.from_string(mint) for mint in shop.mints]
    atas = [str(ata_address(owner, mint, TOKEN_PROGRAM)) for owner in owners for mint in mints]
    still_open = sum(account is not None for account in chain.accounts(atas))
    expected = 0 if scenario.are_closed else len(atas)
    if still_open != expected:
        problems.append(f"{still_open} token accounts open, not {expected}")
    with_money = sum(account is not None for account in chain.accounts([str(owner) for owner in owners]))
    if with_money:
        problems.append(f"{with_money} wallets hold SOL")
    received = tuple(now - then for now, then in zip(holdings(shop, chain), before, strict=True))
    due = tuple(each * len(owners) for each in scenario.received)
    if received != due:
        problems.append(f"the receiver got {received}, not {due} (lamports, base units)")
    return "; ".join(problems)


def holdings(shop: Shop, chain: LocalChain) -> tuple[int, int]:
    """Lamports and base units of the first token that the receiver has."""
    (account,) = chain.accounts([shop.receiver])
    ata = ata_address(Pubkey.from_string(shop.receiver), Pubkey.from_string(shop.mints[0]), TOKEN_PROGRAM)
    return (0 if account is None else int(account["lamports"])), chain.token_balance(str(ata))


def reads(size: int) -> int:
    return ceil((size * (1 + TOKENS) + 2 * MINTS) / ACCOUNTS_A_READ)


def _moving(together: int, histories: int = 0) -> Callable[[int], Floor]:
    """Read all, send with one blockhash, poll once, read all again; and so many calls of history a wallet."""

    def floor(size: int) -> Floor:
        sent = ceil(size / together)
        calls = 2 * reads(size) + sent + ceil(sent / STATUSES_A_POLL) + 1 + histories * size
        return Floor(calls, sent, (size + sent) * LAMPORTS_A_SIGNATURE)

    return floor


def _looking(size: int) -> Floor:
    return Floor(reads(size), 0, 0)


_SWEEP = {
    "operation": "sweep",
    "peer_command": "send_solana_payments_from_one_time_wallets",
    "status": "confirmed",
    "state": "processing_payment",
    "is_over": False,
    "floor": _moving(SWEPT_TOGETHER),
    "ends": ("confirmed", "sent_funds"),
    "are_closed": True,
}
_RECHECK = {
    "operation": "recheck",
    "peer_command": "recheck_initiated_solana_payments",
    "status": "initiated",
    "state": "created",
    "is_over": False,
}
# To accept a payment its transaction must be found and read: a list of signatures, and the one.
_PAID = {"floor": _moving(SWEPT_TOGETHER, 2), "ends": ("confirmed", "sent_funds"), "are_closed": True}

SCENARIOS = {
    each.name: each
    for each in (
        Scenario(
            "expire",
            "nothing",
            "expire",
            "close_expired_solana_payments_with_wallets",
            status="initiated",
            state="created",
            is_over=True,
            # That nobody ever paid is told by history alone (S20): a list of the signatures of the wallet.
            floor=_moving(CLOSED_TOGETHER, 1),
            ends=("expired", "payment_expired_and_wallet_closed"),
            are_closed=True,
        ),
        Scenario("sweep-SOL", "SOL", **_SWEEP, received=(PAID_LAMPORTS, 0), paid_token=1),
        Scenario("sweep-SPL", "SPL", **_SWEEP, received=(0, PAID_UNITS), paid_token=2),
        Scenario(
            "sweep-both",
            "both",
            **{**_SWEEP, "floor": _moving(BOTH_TOGETHER)},
            received=(PAID_LAMPORTS, PAID_UNITS),
            paid_token=1,
        ),
        Scenario(
            "reclaim",
            "nothing",
            "reclaim",
            "close_expired_one_time_wallets_and_reclaim_funds",
            status="expired",
            state="payment_expired",
            is_over=True,
            floor=_moving(CLOSED_TOGETHER, 1),
            ends=("expired", "payment_expired_and_wallet_closed"),
            are_closed=True,
        ),
        Scenario(
            "recheck-unpaid",
            "nothing",
            **_RECHECK,
            floor=_looking,
            ends=("initiated", "created"),
            are_closed=False,
        ),
        Scenario("recheck-SOL", "SOL", **_RECHECK, **_PAID, received=(PAID_LAMPORTS, 0)),
        Scenario("recheck-SPL", "SPL", **_RECHECK, **_PAID, received=(0, PAID_UNITS)),
    )
}
