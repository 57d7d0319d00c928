"""Shops for the fault tests: on either database, with customers of the usual kinds and whatever weather is asked for."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from solpay_pipeline.chain.rpc.options import RpcOptions
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.history import TransactionRecord
from solpay_pipeline.testing.shop import asking
from solpay_pipeline_tests.failures.crashes.ground import our_transactions
from solpay_pipeline_tests.shop import Customer, Shop, open_shop

ACCEPTED: dict[str, Any] = {"status": PaymentStatus.CONFIRMED, "state": WalletState.PROCESSING_PAYMENT}
"""A payment that the merchant's application has accepted, whose money waits to be swept."""

EXPIRED: dict[str, Any] = {"status": PaymentStatus.EXPIRED, "state": WalletState.PAYMENT_EXPIRED}

PRICE = 5_000_000
"""Base units of a token that a payment asks for; 0.1 SOL in lamports is `SOL // 10`."""


@dataclass(frozen=True)
class Database:
    """Where a shop of this test keeps its rows."""

    folder: Path
    url: str

    def shop(self, **how: Any) -> AbstractContextManager[Shop]:
        return open_shop(self.folder, database_url=self.url, **how)


def ask_by(shop: Shop, urls: Sequence[str], **options: Any) -> None:
    """Let the shop ask these nodes, in order of preference."""
    how = RpcOptions(**{"retry_window_seconds": 5.0, **options})
    shop.deployment = replace(shop.deployment, open_rpc=asking(urls, how))


def landed_for(shop: Shop, customer: Customer) -> list[TransactionRecord]:
    """Transactions of ours that landed and took something from this wallet or its accounts."""
    address = customer.address
    return [
        record for record in our_transactions(shop) if record.err is None and address in record.decoded.keys
    ]


def ledger_states(shop: Shop) -> list[str]:
    """The states of all transactions that were ever written down, oldest first."""
    return [str(row.state) for row in shop.transactions()]
