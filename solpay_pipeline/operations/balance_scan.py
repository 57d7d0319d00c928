"""The balance scan: which open payments have enough in their wallets to be worth a recheck?

Balances only, a hundred accounts a call, page by page for as long as the time lasts. No key is used, nothing is
written, no history asked: what a funded payment really is, recheck decides. A look that ends early says why, and
up to which payment it got.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from solders.pubkey import Pubkey

from solpay_pipeline.base.database import reading
from solpay_pipeline.chain.reading.rpc_chain import RpcChain
from solpay_pipeline.chain.rpc.errors import RateLimited, Transient
from solpay_pipeline.ledger import installation
from solpay_pipeline.ledger.migrations import migrate
from solpay_pipeline.lifecycle.holdings import Mint, UnreadableMint, mint_text
from solpay_pipeline.lifecycle.judgement import EXACT, Tolerance, covers
from solpay_pipeline.lifecycle.terms import Commitment, PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.context.chain import Chain
from solpay_pipeline.operations.context.deployment import WatchedShop
from solpay_pipeline.operations.context.options import WATCH_DAYS, Options
from solpay_pipeline.operations.context.records import Records
from solpay_pipeline.operations.looking.database_records import DatabaseRecords

# Most that one look reports; after an outage the next look goes on behind them.
MOST_FUNDED = 1_000

# What expired by our hand, or closed, holds money only if it came late or was never seen; other states are judged.
_UNJUDGED = (WalletState.CREATED, WalletState.PAYMENT_EXPIRED, WalletState.CLOSED)


@dataclass(frozen=True, slots=True)
class FundedPayment:
    """A payment with enough money in its wallet. `balances` are base units by mint, `SOL` for lamports.

    `is_set_aside` where an operation could not deal with it, for a reason that stands.
    """

    payment_id: int
    balances: tuple[tuple[str, int], ...]
    is_set_aside: bool = False


@dataclass(slots=True)
class ScanResult:
    """What a look has seen. `after` is the last payment that was looked at, 0 when the end was reached.

    `trouble` is why the look ended early, where the chain was the reason; `retry_after` the seconds it asked for.
    """

    after: int
    funded: list[FundedPayment] = field(default_factory=list)
    looked_at: int = 0
    calls: int = 0
    is_out_of_time: bool = False
    trouble: str | None = None
    is_rate_limited: bool = False
    retry_after: float | None = None


async def scan_balances(
    shop: WatchedShop,
    *,
    after: int,
    page: int,
    seconds: float,
    watch_days: int = WATCH_DAYS,
    tolerance: Tolerance = EXACT,
) -> ScanResult:
    """Look at open payments behind payment `after`, `page` at a time, for at most so many `seconds`.

    Looked at are also those that expired at most `watch_days` ago; within the `tolerance` of its price there is enough
    money for a payment.

    Passing trouble of the chain is in the result. Raises its permanent errors, `WrongCluster` among them,
    `AnotherCluster` where the ledger is bound to another one, and `Blocked` where our own tables are missing.
    """
    with reading(shop.engine) as connection:
        migrate.require_current(connection)
    seen = ScanResult(after)
    async with shop.open_rpc(0.0) as rpc:
        scan = Scan(
            chain=RpcChain(rpc),
            records=DatabaseRecords(shop.engine, shop.tables, Options(page_size=page)),
            commitment=shop.acceptance,
            page=page,
            expired_since=shop.clock() - timedelta(days=watch_days),
            tolerance=tolerance,
        )
        try:
            async with asyncio.timeout(seconds):
                genesis_hash = await rpc.check_cluster(shop.cluster)
                with reading(shop.engine) as connection:
                    installation.check_cluster(connection, genesis_hash)
                await scan.look(seen)
        except TimeoutError:
            seen.is_out_of_time = True
        except Transient as error:
            seen.trouble = str(error)
            seen.is_rate_limited = isinstance(error, RateLimited)
            seen.retry_after = error.retry_after
        seen.calls = sum(rpc.calls.values())
    return seen


@dataclass(frozen=True, slots=True)
class Scan:
    """One look; `page` is payments read together, `mints` are as they were read first."""

    chain: Chain
    records: Records
    commitment: Commitment
    page: int
    expired_since: datetime
    tolerance: Tolerance = EXACT
    mints: dict[Pubkey, Mint | UnreadableMint] = field(default_factory=dict)

    async def look(self, seen: ScanResult) -> None:
        """Go on behind `seen.after`, and add what is found, page by page."""
        for last, wallets, count in self._pages(seen.after):
            seen.funded += await self._funded_among(wallets)
            seen.looked_at += count
            seen.after = last
            if len(seen.funded) >= MOST_FUNDED:
                return
        seen.after = 0

    def _pages(self, after: int) -> Iterator[tuple[int, list[Wallet], int]]:
        """The last payment's id, the wallets worth reading, and how many payments the page had."""
        while True:
            rows = self.records.open_to_money(after=after, expired_since=self.expired_since)
            if not rows:
                return
            ids = []
            wallets = []
            for row in rows:
                if not isinstance(row, Wallet):
                    # Nobody can look for its money; the operations set it aside and say why.
                    ids.append(row.payment_id or after)
                elif row.payment is not None:
                    ids.append(row.payment.id)
                    if row.payment.status is PaymentStatus.INITIATED or row.state in _UNJUDGED:
                        wallets.append(row)
            after = max(ids)
            yield after, wallets, len(rows)
            if len(rows) < self.page:
                return

    async def _funded_among(self, wallets: Sequence[Wallet]) -> list[FundedPayment]:
        wallet_of = {wallet.payment.id: wallet.id for wallet in wallets if wallet.payment is not None}
        payments = [wallet.payment for wallet in wallets if wallet.payment is not None]
        unread = {mint for payment in payments for mint in payment.mints if mint not in self.mints}
        self.mints.update(await self.chain.mints(unread, commitment=self.commitment))
        owned = [(payment.address, payment.mints) for payment in payments]
        holdings = await self.chain.holdings(owned, self.mints, commitment=self.commitment)
        decimals = {address: mint.decimals for address, mint in self.mints.items() if isinstance(mint, Mint)}
        covered = [
            (payment.id, held.balances())
            for payment, held in zip(payments, holdings, strict=True)
            if covers(payment, held.balances(), decimals, self.tolerance)
        ]
        if not covered:
            return []
        aside = self.records.set_aside([wallet_of[payment_id] for payment_id, _ in covered])
        return [
            FundedPayment(payment_id, _named(balances), wallet_of[payment_id] in aside)
            for payment_id, balances in covered
        ]


def _named(balances: dict[Pubkey | None, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((mint_text(mint), amount) for mint, amount in balances.items()))
