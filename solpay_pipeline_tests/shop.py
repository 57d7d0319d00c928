"""A whole shop for tests: embedded chain behind its port, the peer's tables, customers, and our operations on them.

Time is the chain's: `shop.wait(hours=2)` makes every later block so much younger.
"""

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import Fernet
from pydantic import SecretStr
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.base.database import open_engine, reading
from solpay_pipeline.chain.rpc.client import Endpoint, Rpc, RpcOptions
from solpay_pipeline.ledger import findings, migrate
from solpay_pipeline.ledger.findings import StandingFinding
from solpay_pipeline.ledger.tables import event as event_table
from solpay_pipeline.ledger.tables import transaction as transaction_table
from solpay_pipeline.lifecycle.terms import Commitment, PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.localnet.server.server import Node, running
from solpay_pipeline.localnet.tools.seed import Seed
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.context.outcome import Outcome
from solpay_pipeline.operations.run import run_operation
from solpay_pipeline.records.schema import create_peer_tables
from solpay_pipeline.records.tables import peer_tables
from solpay_pipeline.records.vault import WalletVault
from solpay_pipeline.settings.secret import SecretKeypair
from solpay_pipeline.testing.writing import add_payment, add_token

SOL = 10**9
FEE_PAYER_LAMPORTS = 10 * SOL


@dataclass(frozen=True)
class Customer:
    """A payment with its wallet's key, as a test sees it."""

    payment_id: int
    wallet_id: int
    keypair: Keypair

    @property
    def address(self) -> Pubkey:
        return self.keypair.pubkey()


@dataclass
class Shop:
    """Prices: 0.1 SOL, and 5 of each token mint."""

    chain: Chain
    node: Node
    seed: Seed
    deployment: Deployment
    database_url: str
    wallet_key: str
    tokens: dict[Pubkey | None, int] = field(default_factory=dict)
    decimals: dict[Pubkey, int] = field(default_factory=dict)

    # -- the merchant's side ------------------------------------------------------------------------------------

    def accept_sol(self, price: str = "0.1") -> None:
        with self.deployment.engine.begin() as connection:
            self.tokens[None] = add_token(
                connection, self.deployment.tables, mint=None, price=Decimal(price), name="SOL", symbol="SOL"
            )

    def accept_mint(self, price: str = "5", **mint: Any) -> Pubkey:
        """A new mint among the accepted tokens; keyword arguments are those of `Seed.create_mint`."""
        address = self.seed.create_mint(**mint)
        with self.deployment.engine.begin() as connection:
            self.tokens[address] = add_token(
                connection,
                self.deployment.tables,
                mint=str(address),
                price=Decimal(price),
                name=f"Token {len(self.tokens)}",
                symbol=f"T{len(self.tokens)}",
            )
        self.decimals[address] = mint.get("decimals", 6)
        return address

    def new_payment(
        self,
        *,
        lasts: timedelta = timedelta(minutes=30),
        status: PaymentStatus = PaymentStatus.INITIATED,
        state: WalletState = WalletState.CREATED,
        with_accounts: bool = True,
        prices: dict[Pubkey | None, str] | None = None,
        keypair: Keypair | None = None,
    ) -> Customer:
        """A payment as the peer's service makes it: a fresh key, a price and an account per accepted token."""
        keypair = keypair or Keypair()
        options = {
            token_id: Decimal((prices or {}).get(mint, "0.1" if mint is None else "5"))
            for mint, token_id in self.tokens.items()
            if prices is None or mint in prices
        }
        if with_accounts:
            mints = [mint for mint in self.tokens if mint is not None and (prices is None or mint in prices)]
            self.seed.create_atas(keypair.pubkey(), mints)
        created = self.now()
        with self.deployment.engine.begin() as connection:
            payment_id = add_payment(
                connection,
                self.deployment.tables,
                self.deployment.vault,
                keypair,
                options=options,
                created=created,
                expires=created + lasts,
                status=status,
                wallet_state=state,
            )
            wallet_id = connection.execute(
                sa.select(self.deployment.tables.payment.c.one_time_payment_wallet_id).where(
                    self.deployment.tables.payment.c.id == payment_id
                )
            ).scalar_one()
        return Customer(payment_id, wallet_id, keypair)

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
        return self.seed.pay_sol(customer.address, int(Decimal(sol) * SOL), **how)

    def pay_token(self, customer: Customer, mint: Pubkey, amount: str = "5", **how: Any) -> str:
        units = int(Decimal(amount).scaleb(self.decimals.get(mint, 6)))
        return self.seed.pay_token(customer.address, mint, units, **how)

    def accepted_and_paid(self, *mints: Pubkey | None) -> list[Customer]:
        """A customer for each of these assets, who has paid in it and was accepted; None stands for SOL."""
        customers = []
        for mint in mints:
            customer = self.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
            if mint is None:
                self.pay_sol(customer)
            else:
                self.pay_token(customer, mint)
            customers.append(customer)
        self.settle_chain()
        return customers

    # -- time ---------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The chain's time."""
        return datetime.fromtimestamp(self.chain.block_time(self.chain.tick()), UTC)

    def wait(self, **delta: float) -> None:
        """Let the chain's clock go on, and see to it that the new time is confirmed."""
        self.chain.warp(timedelta(**delta).total_seconds())
        self.settle_chain()

    def settle_chain(self) -> None:
        """All that has happened is confirmed from here on."""
        self.chain.advance(self.chain.config.confirmed_lag + 1)

    def finalize_chain(self) -> None:
        """All that has happened is finalized from here on."""
        self.chain.advance(self.chain.config.finalized_lag + 1)

    # -- what is --------------------------------------------------------------------------------------------------

    def status(self, customer: Customer) -> str:
        return str(self.payment_row(customer).status)

    def state(self, customer: Customer) -> str:
        return str(self.wallet_row(customer).state)

    def payment_row(self, customer: Customer) -> Any:
        table = self.deployment.tables.payment
        with reading(self.deployment.engine) as connection:
            return connection.execute(sa.select(table).where(table.c.id == customer.payment_id)).one()

    def wallet_row(self, customer: Customer) -> Any:
        table = self.deployment.tables.wallet
        with reading(self.deployment.engine) as connection:
            return connection.execute(sa.select(table).where(table.c.id == customer.wallet_id)).one()

    def set_state(self, customer: Customer, state: WalletState) -> None:
        """What the peer, or a hand, writes."""
        table = self.deployment.tables.wallet
        with self.deployment.engine.begin() as connection:
            connection.execute(
                sa.update(table).where(table.c.id == customer.wallet_id).values(state=state.value)
            )

    def set_status(self, customer: Customer, status: PaymentStatus) -> None:
        table = self.deployment.tables.payment
        with self.deployment.engine.begin() as connection:
            connection.execute(
                sa.update(table).where(table.c.id == customer.payment_id).values(status=status.value)
            )

    def accept_as_peer(self, customer: Customer, signature: str, mint: Pubkey | None = None) -> None:
        """What the peer's verification writes of a payment that was made in this mint; None is SOL."""
        self.set_state(customer, WalletState.PROCESSING_PAYMENT)
        table = self.deployment.tables.payment
        accepted = {"status": PaymentStatus.CONFIRMED.value, "paid_token_id": self.tokens[mint]}
        with self.deployment.engine.begin() as connection:
            connection.execute(
                sa.update(table)
                .where(table.c.id == customer.payment_id)
                .values(**accepted, signature=signature)
            )

    def ata(self, owner: Pubkey, mint: Pubkey) -> Pubkey:
        return self.seed.ata(owner, mint)

    def has_account(self, customer: Customer, mint: Pubkey) -> bool:
        return self.seed.lamports(self.ata(customer.address, mint)) > 0

    def tokens_of(self, owner: Pubkey, mint: Pubkey) -> int:
        return self.seed.token_balance(self.ata(owner, mint))

    def received(self, mint: Pubkey | None = None) -> int:
        """Base units at the receiver."""
        if mint is None:
            return self.seed.lamports(self.deployment.receiver)
        return self.tokens_of(self.deployment.receiver, mint)

    def findings(self, customer: Customer | None = None) -> list[StandingFinding]:
        with reading(self.deployment.engine) as connection:
            all_of_them = findings.standing(connection)
        return [one for one in all_of_them if customer is None or one.finding.wallet_id == customer.wallet_id]

    def codes(self, customer: Customer) -> set[str]:
        return {one.finding.code.value for one in self.findings(customer)}

    def events(self, customer: Customer | None = None) -> list[Any]:
        query = sa.select(event_table).order_by(event_table.c.id)
        if customer is not None:
            query = query.where(event_table.c.payment_id == customer.payment_id)
        with reading(self.deployment.engine) as connection:
            return list(connection.execute(query))

    def kinds(self, customer: Customer) -> list[str]:
        return [event.kind for event in self.events(customer)]

    def transactions(self) -> list[Any]:
        with reading(self.deployment.engine) as connection:
            return list(connection.execute(sa.select(transaction_table).order_by(transaction_table.c.id)))

    def environment(self) -> dict[str, str]:
        """The settings of this shop, for a process of its own."""
        return {
            "SOLPAY_DATABASE_URL": self.database_url,
            "SOLPAY_RPC_URLS": self.node.url,
            "SOLPAY_RECEIVER_ADDRESS": str(self.deployment.receiver),
            "SOLPAY_FEE_PAYER_KEYPAIR": self.deployment.fee_payer.keypair().to_json(),
            "SOLPAY_WALLET_KEYS": self.wallet_key,
            "SOLPAY_CLUSTER": "localnet",
        }


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
    rpc_options: RpcOptions | None = None,
    acceptance: Commitment = Commitment.CONFIRMED,
    create_tables: bool = True,
) -> Iterator[Shop]:
    """A shop with an empty database and a chain whose slots take 20 ms."""
    chain = Chain(config or ChainConfig(slot_seconds=0.02))
    database_url = database_url or f"sqlite:///{folder / 'shop.db'}"
    engine = open_engine(database_url)
    tables = peer_tables()
    if create_tables:
        create_peer_tables(engine, tables)
    migrate.upgrade(engine)
    wallet_key = Fernet.generate_key().decode()
    fee_payer, receiver = Keypair(), Keypair().pubkey()
    seed = Seed(chain)
    seed.airdrop(fee_payer.pubkey(), FEE_PAYER_LAMPORTS)
    seed.airdrop(receiver, SOL)
    chain.advance(chain.config.finalized_lag + 1)
    with running(chain) as node:

        def open_rpc(sleep: float) -> Rpc:
            options = rpc_options or RpcOptions(sleep=sleep, retry_window_seconds=5)
            return Rpc([Endpoint(SecretStr(node.url))], options)

        deployment = Deployment(
            engine=engine,
            tables=tables,
            vault=WalletVault([SecretStr(wallet_key)], encrypted=True),
            fee_payer=SecretKeypair(fee_payer),
            receiver=receiver,
            cluster="localnet",
            open_rpc=open_rpc,
            transaction_version=version,
            acceptance=acceptance,
        )
        yield Shop(chain, node, seed, deployment, database_url, wallet_key)
    engine.dispose()


def total(outcomes: Sequence[Outcome], name: str) -> int:
    """The sum of one count over several outcomes."""
    return sum(outcome.counts()[name] for outcome in outcomes)
