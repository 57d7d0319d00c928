"""A shop for tests: behind a port, with our operations on it and all that can be asked of it afterwards."""

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from solders.pubkey import Pubkey

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger import findings
from solpay_pipeline.ledger.findings import StandingFinding
from solpay_pipeline.ledger.tables import event as event_table
from solpay_pipeline.ledger.tables import transaction as transaction_table
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.context.outcome import Outcome
from solpay_pipeline.operations.run import run_operation
from solpay_pipeline.records.queries import sealed_page
from solpay_pipeline.testing import shop as testing
from solpay_pipeline.testing.shop import FEE_PAYER_LAMPORTS, Customer
from solpay_pipeline.testing.tokens import token_on

__all__ = ["FEE_PAYER_LAMPORTS", "SOL", "Customer", "Shop", "open_shop", "total", "weather"]

SOL = 10**9


class Shop(testing.Shop):
    """Prices: 0.1 SOL, and 5 of each token mint."""

    # -- the merchant's side ------------------------------------------------------------------------------------

    def accept_sol(self) -> None:
        self.accept_token(None, "0.1", "SOL")

    def accept_mint(self, price: str = "5", **mint: Any) -> Pubkey:
        """A new mint among the accepted tokens; keyword arguments are those of `Seed.create_mint`."""
        address = self.seed.create_mint(**mint)
        self.accept_token(address, price, f"T{len(self.tokens)}")
        return address

    def run(self, operation: str, run_id: str | None = None, **options: Any) -> Outcome:
        """One operation, as an op runs it."""
        return asyncio.run(
            run_operation(self.deployment, operation, Options(**options), run_id or uuid.uuid4().hex)
        )

    def maintain(self, **options: Any) -> list[Outcome]:
        """Expire, sweep, reclaim."""
        return [self.run(operation, **options) for operation in ("expire", "sweep", "reclaim")]

    # -- the customers' side ------------------------------------------------------------------------------------

    def pay_sol(self, customer: Customer, sol: str = "0.1", **how: Any) -> str:
        return self.pay(customer, None, int(Decimal(sol) * SOL), **how)

    def pay_token(self, customer: Customer, mint: Pubkey, amount: str = "5", **how: Any) -> str:
        return self.pay(customer, mint, token_on(self.chain, mint).units(Decimal(amount)), **how)

    def accepted_and_paid(self, *mints: Pubkey | None) -> list[Customer]:
        """A customer for each of these assets, who has paid in it and was accepted; None stands for SOL."""
        customers = []
        for mint in mints:
            customer = self.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
            self.pay(customer, mint)
            customers.append(customer)
        self.settle_chain()
        return customers

    def customers_of(self, created: Sequence[dict[str, Any]]) -> list[Customer]:
        """Those of payments that the peer has made, whose wallets our vault opens out of what the peer encrypted."""
        with reading(self.engine) as connection:
            page = sealed_page(connection, self.tables, after_wallet_id=0, limit=100)
        keys = {
            sealed.wallet_id: self.deployment.vault.open(sealed, Pubkey.from_string(address))
            for sealed, address in page
            if address is not None
        }
        return [Customer(one["id"], one["wallet_id"], keys[one["wallet_id"]]) for one in created]

    def as_settings(self) -> dict[str, str]:
        """What a `Peer` is told of this shop."""
        return {
            "database_url": self.database_url,
            "receiver": str(self.receiver),
            "fee_payer": self.fee_payer.to_json(),
            "rpc_url": self.node.url,
            "wallet_key": self.wallet_key,
        }

    # -- what is --------------------------------------------------------------------------------------------------

    def status(self, customer: Customer) -> str:
        return str(self.payment_row(customer).status)

    def state(self, customer: Customer) -> str:
        return str(self.wallet_row(customer).state)

    def payment_row(self, customer: Customer) -> Any:
        return self._row(self.tables.payment, customer.payment_id)

    def wallet_row(self, customer: Customer) -> Any:
        return self._row(self.tables.wallet, customer.wallet_id)

    def _row(self, table: sa.Table, row_id: int) -> Any:
        with reading(self.engine) as connection:
            return connection.execute(sa.select(table).where(table.c.id == row_id)).one()

    def set_state(self, customer: Customer, state: WalletState) -> None:
        self.change_wallet(customer, state=state.value)

    def set_status(self, customer: Customer, status: PaymentStatus) -> None:
        self.change_payment(customer, status=status.value)

    def ata(self, owner: Pubkey, mint: Pubkey) -> Pubkey:
        return self.seed.ata(owner, mint)

    def has_account(self, customer: Customer, mint: Pubkey) -> bool:
        return self.seed.lamports(self.ata(customer.address, mint)) > 0

    def tokens_of(self, owner: Pubkey, mint: Pubkey) -> int:
        return self.seed.token_balance(self.ata(owner, mint))

    def received(self, mint: Pubkey | None = None) -> int:
        """Base units at the receiver."""
        if mint is None:
            return self.seed.lamports(self.receiver)
        return self.tokens_of(self.receiver, mint)

    def findings(self, customer: Customer | None = None) -> list[StandingFinding]:
        with reading(self.engine) as connection:
            all_of_them = findings.standing(connection)
        return [one for one in all_of_them if customer is None or one.finding.wallet_id == customer.wallet_id]

    def codes(self, customer: Customer) -> set[str]:
        return {one.finding.code.value for one in self.findings(customer)}

    def events(self, customer: Customer | None = None) -> list[Any]:
        query = sa.select(event_table).order_by(event_table.c.id)
        if customer is not None:
            query = query.where(event_table.c.payment_id == customer.payment_id)
        with reading(self.engine) as connection:
            return list(connection.execute(query))

    def kinds(self, customer: Customer) -> list[str]:
        """Without `payment.finalized`, which comes at whatever moment the chain is far enough."""
        return [kind for kind in self.every_kind(customer) if kind != "payment.finalized"]

    def every_kind(self, customer: Customer) -> list[str]:
        return [event.kind for event in self.events(customer)]

    def transactions(self) -> list[Any]:
        with reading(self.engine) as connection:
            return list(connection.execute(sa.select(transaction_table).order_by(transaction_table.c.id)))


@contextmanager
def weather(shop: Shop, *faults: Fault) -> Iterator[None]:
    """Faults of the shop's node, while it lasts."""
    for fault in faults:
        shop.node.faults.add(fault)
    try:
        yield
    finally:
        shop.node.faults.clear()


@contextmanager
def open_shop(
    folder: Path,
    *,
    database_url: str | None = None,
    config: ChainConfig | None = None,
    version: int = 0,
    **how: Any,
) -> Iterator[Shop]:
    """A shop with an empty database and a chain whose slots take 20 ms; `how` is for `Shop.open`."""
    url = database_url or f"sqlite:///{folder / 'shop.db'}"
    with (
        running(Chain(config or ChainConfig(slot_seconds=0.02))) as node,
        Shop.open(url, node, transaction_version=version, **how) as shop,
    ):
        shop.fund()
        shop.finalize_chain()
        yield shop


def total(outcomes: Sequence[Outcome], name: str) -> int:
    """The sum of one count over several outcomes."""
    return sum(outcome.counts()[name] for outcome in outcomes)
