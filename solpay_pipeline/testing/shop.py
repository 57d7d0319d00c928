"""A shop: the peer's tables and ours in a database, a chain, the tokens that it takes, and customers who pay.

What customers and the peer do lands in process, as real transactions; operations reach the same chain through a port.
Time is the chain's: `shop.wait(hours=2)` makes every later block so much younger.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Self

import sqlalchemy as sa
from pydantic import SecretStr
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.base.database import open_engine
from solpay_pipeline.chain.rpc.client import Endpoint, Rpc, RpcOptions
from solpay_pipeline.ledger.migrations import migrate
from solpay_pipeline.lifecycle.terms import LAMPORTS_PER_SOL, PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.server.node import Node
from solpay_pipeline.localnet.tools.seed import Seed
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.operations.receivers import allow_receiver
from solpay_pipeline.records.schema import create_peer_tables
from solpay_pipeline.records.tables import PeerTables, peer_tables
from solpay_pipeline.records.vault import WalletVault
from solpay_pipeline.settings.secret import SecretKeypair
from solpay_pipeline.testing.keys import Keys
from solpay_pipeline.testing.tokens import Token, token_on, tokens_in_rows
from solpay_pipeline.testing.writing import add_payment, add_token

FEE_PAYER_LAMPORTS = 10 * LAMPORTS_PER_SOL
RECEIVER_LAMPORTS = LAMPORTS_PER_SOL

PAYMENT_LASTS = timedelta(minutes=30)

_BY_CHANCE = Keys()
_QUICK = RpcOptions(retry_window_seconds=5)


@dataclass(eq=False, slots=True)
class Customer:
    """A payment with its wallet's key, and who pays it. `prices` are base units by mint, None for SOL; `signatures` the
    transfers so far; `name` is what the maker of the shop calls it.
    """

    payment_id: int
    wallet_id: int
    keypair: Keypair = field(repr=False)
    prices: Mapping[Pubkey | None, int] = field(default_factory=dict)
    signatures: list[str] = field(default_factory=list)
    name: str = ""

    @property
    def address(self) -> Pubkey:
        """The payment's address."""
        return self.keypair.pubkey()


@dataclass
class Shop:
    """Operations work for `deployment`, whose place a changed one may take. `tokens` are by mint, None for SOL."""

    node: Node
    seed: Seed
    deployment: Deployment
    fee_payer: Keypair = field(repr=False)
    wallet_key: str = field(repr=False)
    database_url: str
    tokens: dict[Pubkey | None, Token] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def open(
        cls,
        database_url: str,
        node: Node,
        *,
        rpc_options: RpcOptions = _QUICK,
        keys: Keys = _BY_CHANCE,
        create_tables: bool = True,
        **how: Any,
    ) -> Iterator[Self]:
        """A shop on a database (`sqlite:///file` or `postgresql://...`) and the chain of a node; what is there already
        stays. Without `create_tables` a Django project makes the peer's. `how` goes to the `Deployment`.
        """
        engine, tables = open_engine(database_url), peer_tables()
        try:
            if create_tables:
                create_peer_tables(engine, tables)
            migrate.upgrade(engine)
            fee_payer, wallet_key = keys.keypair("fee payer"), keys.fernet("wallet key")
            deployment = Deployment(
                engine=engine,
                tables=tables,
                vault=WalletVault([SecretStr(wallet_key)], encrypted=True),
                fee_payer=SecretKeypair(fee_payer),
                receiver=keys.keypair("receiver").pubkey(),
                cluster="localnet",
                open_rpc=asking([node.url], rpc_options),
                **how,
            )
            yield cls(node, Seed(node.chain), deployment, fee_payer, wallet_key, database_url)
        finally:
            engine.dispose()

    @property
    def chain(self) -> Chain:
        """The chain behind the node."""
        return self.node.chain

    @property
    def engine(self) -> sa.Engine:
        """The shop's database."""
        return self.deployment.engine

    @property
    def tables(self) -> PeerTables:
        """The peer's tables in it."""
        return self.deployment.tables

    @property
    def receiver(self) -> Pubkey:
        """Where the money goes home to."""
        return self.deployment.receiver

    @property
    def mints(self) -> list[Pubkey]:
        """The tokens but for SOL, in the order in which they were accepted."""
        return [mint for mint in self.tokens if mint is not None]

    def environment(self) -> dict[str, str]:
        """The settings of this shop, for a process of its own."""
        return {
            "SOLPAY_DATABASE_URL": self.database_url,
            "SOLPAY_RPC_URLS": self.node.url,
            "SOLPAY_RECEIVER_ADDRESS": str(self.receiver),
            "SOLPAY_FEE_PAYER_KEYPAIR": self.fee_payer.to_json(),
            "SOLPAY_WALLET_KEYS": self.wallet_key,
            "SOLPAY_CLUSTER": "localnet",
        }

    # -- the merchant's side ------------------------------------------------------------------------------------

    def fund(self) -> None:
        """What a merchant begins with, from the faucet: ten SOL to pay fees from, and a receiver that exists."""
        self.seed.airdrop(self.fee_payer.pubkey(), FEE_PAYER_LAMPORTS)
        self.seed.airdrop(self.receiver, RECEIVER_LAMPORTS)

    def move_home(self, receiver: Pubkey) -> None:
        """Another receiver in the settings, which an operator has allowed."""
        allow_receiver(self.engine, receiver, "the shop has moved", self.deployment.clock())
        self.deployment = replace(self.deployment, receiver=receiver)

    def accept_token(self, mint: Pubkey | None, price: str, symbol: str) -> Token:
        """Take a mint of the chain, None for SOL, at this price from now on."""
        address = None if mint is None else str(mint)
        with self.engine.begin() as connection:
            row = add_token(connection, self.tables, mint=address, price=Decimal(price), symbol=symbol)
        self.tokens[mint] = token_on(self.chain, mint, symbol, Decimal(price), row)
        return self.tokens[mint]

    def read_tokens(self) -> None:
        """Know the tokens that the rows name, which somebody else has written."""
        self.tokens.update(tokens_in_rows(self.engine, self.tables, self.chain))

    def new_payment(
        self,
        prices: Mapping[Pubkey | None, str | Decimal] | None = None,
        *,
        lasts: timedelta = PAYMENT_LASTS,
        status: PaymentStatus = PaymentStatus.INITIATED,
        state: WalletState = WalletState.CREATED,
        with_accounts: bool = True,
        keypair: Keypair | None = None,
    ) -> Customer:
        """A payment as the peer's service makes it: a fresh key, a price for each token and an account for each mint.

        `prices` are in whole tokens, by mint; None asks for each of the shop's tokens at its own price.
        """
        keypair = keypair or Keypair()
        if prices is None:
            prices = {mint: token.price for mint, token in self.tokens.items() if token.row_id is not None}
        priced = {self.tokens[mint]: Decimal(price) for mint, price in prices.items()}
        if with_accounts:
            self.open_accounts(keypair.pubkey(), [token.mint for token in priced if token.mint is not None])
        created = self.now()
        with self.engine.begin() as connection:
            ids = add_payment(
                connection,
                self.tables,
                self.deployment.vault,
                keypair,
                options={_row_id(token): price for token, price in priced.items()},
                created=created,
                expires=created + lasts,
                status=status,
                state=state,
            )
        units = {token.mint: token.units(price) for token, price in priced.items()}
        return Customer(ids.payment, ids.wallet, keypair, units)

    def open_accounts(self, owner: Pubkey, mints: Sequence[Pubkey]) -> None:
        """The wallet's token accounts, by one transaction; a customer lends the rent."""
        self.seed.create_atas(owner, mints)

    def accept_payment(
        self,
        customer: Customer,
        mint: Pubkey | None = None,
        signature: str | None = None,
        state: WalletState = WalletState.PROCESSING_PAYMENT,
    ) -> bool:
        """What the peer's verification writes of a payment that was made in this mint: where nobody was quicker, it is
        accepted, and its wallet waits for a sweep. Tells whether it was.
        """
        payment = self.tables.payment
        is_open = (payment.c.id == customer.payment_id) & (payment.c.status == PaymentStatus.INITIATED.value)
        accepted = {
            "status": PaymentStatus.CONFIRMED.value,
            "paid_token_id": self.tokens[mint].row_id,
            "signature": signature or (customer.signatures[-1] if customer.signatures else None),
        }
        wallet = self.tables.wallet
        waits = sa.update(wallet).where(wallet.c.id == customer.wallet_id).values(state=state.value)
        with self.engine.begin() as connection:
            if not connection.execute(sa.update(payment).where(is_open).values(**accepted)).rowcount:
                return False
            connection.execute(waits)
        return True

    def change_payment(self, customer: Customer, **values: Any) -> None:
        """What the peer, or somebody by SQL, writes into a payment's row."""
        self._update(self.tables.payment, customer.payment_id, values)

    def change_wallet(self, customer: Customer, **values: Any) -> None:
        """The same of a wallet's row."""
        self._update(self.tables.wallet, customer.wallet_id, values)

    def _update(self, table: sa.Table, row_id: int, values: dict[str, Any]) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.update(table).where(table.c.id == row_id).values(**values))

    # -- the customers' side ------------------------------------------------------------------------------------

    def pay(
        self, customer: Customer, mint: Pubkey | None, units: int | None = None, *, version: int = 0
    ) -> str:
        """A customer's transfer of base units, the price unless they are given; returns its signature."""
        units = customer.prices[mint] if units is None else units
        if mint is None:
            signature = self.seed.pay_sol(customer.address, units, version=version)
        else:
            signature = self.seed.pay_token(customer.address, mint, units, version=version)
        customer.signatures.append(signature)
        return signature

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


def asking(urls: Sequence[str], options: RpcOptions = _QUICK, **clock: Any) -> Callable[[float], Rpc]:
    """A deployment's way to these nodes, in order of preference. `clock` goes to the client, whose time it is."""
    endpoints = [Endpoint(SecretStr(url)) for url in urls]
    return lambda sleep: Rpc(endpoints, replace(options, sleep=sleep), **clock)


def _row_id(token: Token) -> int:
    if token.row_id is None:
        raise ValueError(f"{token.symbol} is no token of the shop")
    return token.row_id
