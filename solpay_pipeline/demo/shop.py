"""The demo's shop: a chain, a database with the peer's tables, tokens with prices, and customers who pay.

Everything is made from one seed. What customers and the peer do is landed in process, as real transactions; the
operations later reach the same chain through its port.
"""

import base64
import hashlib
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.base.database import open_engine, reading
from solpay_pipeline.chain.sending.instructions import create_ata_idempotent
from solpay_pipeline.demo.tokens import Token, known_tokens, make_tokens
from solpay_pipeline.ledger import migrate
from solpay_pipeline.lifecycle.terms import LAMPORTS_PER_SOL, SOL_DECIMALS, PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.tools.seed import Seed
from solpay_pipeline.records.schema import create_peer_tables
from solpay_pipeline.records.tables import PeerTables, peer_tables
from solpay_pipeline.records.vault import WalletVault
from solpay_pipeline.testing.writing import add_payment

FEE_PAYER_LAMPORTS = 10 * LAMPORTS_PER_SOL
RECEIVER_LAMPORTS = LAMPORTS_PER_SOL

PAYMENT_LASTS = timedelta(minutes=30)


@dataclass(slots=True)
class Case:
    """One payment of the demo. `prices` are base units by symbol; `signatures` the customer's transfers."""

    situation: str
    payment_id: int
    wallet_id: int
    keypair: Keypair
    prices: dict[str, int]
    signatures: list[str] = field(default_factory=list)

    @property
    def address(self) -> Pubkey:
        """The payment's address."""
        return self.keypair.pubkey()


@dataclass(slots=True)
class Shop:
    """`stranger` is an address that is nobody's here: what goes there is lost to the shop."""

    chain: Chain
    seed: Seed
    engine: sa.Engine
    tables: PeerTables
    vault: WalletVault
    wallet_key: str
    fee_payer: Keypair
    receiver: Pubkey
    stranger: Pubkey
    dice: random.Random
    tokens: dict[str, Token] = field(default_factory=dict)
    cases: list[Case] = field(default_factory=list)
    keys_made: int = 0
    keys_for: str = "wallet"

    def now(self) -> datetime:
        """The chain's time."""
        return datetime.fromtimestamp(self.chain.block_time(self.chain.tick()), UTC)

    def new_keypair(self) -> Keypair:
        """The next key of the seed."""
        self.keys_made += 1
        return _keypair(self.chain.config.seed, f"{self.keys_for} {self.keys_made}")

    def add_case(
        self,
        situation: str,
        symbols: Sequence[str],
        *,
        with_accounts: bool,
        lasts: timedelta = PAYMENT_LASTS,
    ) -> Case:
        """A payment as the peer's service makes it: a fresh key, a price for each token and an account for each mint,
        whose rent the fee payer lends.
        """
        keypair = self.new_keypair()
        priced = {symbol: self._price(symbol) for symbol in symbols}
        created = self.now()
        with self.engine.begin() as connection:
            payment_id = add_payment(
                connection,
                self.tables,
                self.vault,
                keypair,
                options={_row_id(self.tokens[symbol]): price for symbol, price in priced.items()},
                created=created,
                expires=created + lasts,
            )
            payment = self.tables.payment
            wallet_id = connection.execute(
                sa.select(payment.c.one_time_payment_wallet_id).where(payment.c.id == payment_id)
            ).scalar_one()
        if with_accounts:
            self._open_accounts(keypair.pubkey(), [self.tokens[symbol] for symbol in symbols])
        prices = {symbol: int(price.scaleb(self.tokens[symbol].decimals)) for symbol, price in priced.items()}
        case = Case(situation, payment_id, wallet_id, keypair, prices)
        self.cases.append(case)
        return case

    def pay(self, case: Case, symbol: str, units: int, *, version: int = 0) -> None:
        """A customer's transfer of base units to a payment's address."""
        mint = self.tokens[symbol].mint
        if mint is None:
            signature = self.seed.pay_sol(case.address, units, version=version)
        else:
            signature = self.seed.pay_token(case.address, mint, units, version=version)
        case.signatures.append(signature)

    def notice(self, case: Case, symbol: str) -> bool:
        """What the peer's verification does with a payment that was made in this token: where nobody was quicker, it is
        accepted, and its wallet waits for a sweep. Tells whether it was.
        """
        payment, wallet = self.tables.payment, self.tables.wallet
        is_open = (payment.c.id == case.payment_id) & (payment.c.status == PaymentStatus.INITIATED.value)
        accepted = {
            "status": PaymentStatus.CONFIRMED.value,
            "paid_token_id": self.tokens[symbol].row_id,
            "signature": case.signatures[-1],
        }
        with self.engine.begin() as connection:
            if not connection.execute(sa.update(payment).where(is_open).values(**accepted)).rowcount:
                return False
            waits = {"state": WalletState.PROCESSING_PAYMENT.value}
            connection.execute(sa.update(wallet).where(wallet.c.id == case.wallet_id).values(**waits))
        return True

    def account(self, owner: Pubkey, symbol: str) -> Pubkey:
        """An owner's token account."""
        return self.seed.ata(owner, _mint(self.tokens[symbol]))

    def change_payment(self, case: Case, **values: Any) -> None:
        """What the peer writes into a payment's row."""
        self._update(self.tables.payment, case.payment_id, values)

    def change_wallet(self, case: Case, **values: Any) -> None:
        """What the peer writes into a wallet's row."""
        self._update(self.tables.wallet, case.wallet_id, values)

    def environment(self, database_url: str, rpc_url: str) -> dict[str, str]:
        """The settings that belong to this shop."""
        return {
            "SOLPAY_DATABASE_URL": database_url,
            "SOLPAY_RPC_URLS": rpc_url,
            "SOLPAY_RECEIVER_ADDRESS": str(self.receiver),
            "SOLPAY_FEE_PAYER_KEYPAIR": self.fee_payer.to_json(),
            "SOLPAY_WALLET_KEYS": self.wallet_key,
            "SOLPAY_CLUSTER": "localnet",
        }

    def _update(self, table: sa.Table, row_id: int, values: dict[str, Any]) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.update(table).where(table.c.id == row_id).values(**values))

    def _price(self, symbol: str) -> Decimal:
        if self.tokens[symbol].decimals == SOL_DECIMALS:
            return Decimal(self.dice.randrange(20, 900)).scaleb(-3)
        return Decimal(self.dice.randrange(200, 25_000)).scaleb(-2)

    def _open_accounts(self, owner: Pubkey, tokens: Sequence[Token]) -> None:
        opened: list[Instruction] = [
            create_ata_idempotent(self.fee_payer.pubkey(), owner, token.mint, token.program)
            for token in tokens
            if token.mint is not None and token.program is not None
        ]
        if opened:
            self.seed.send(opened, [self.fee_payer])


@contextmanager
def open_shop(chain: Chain, database_url: str, seed: int) -> Iterator[Shop]:
    """An open shop with its tokens and without a payment yet."""
    with _opened(chain, database_url, seed) as shop:
        shop.seed.airdrop(shop.fee_payer.pubkey(), FEE_PAYER_LAMPORTS)
        shop.seed.airdrop(shop.receiver, RECEIVER_LAMPORTS)
        hook = _keypair(seed, "hook program").pubkey()
        shop.tokens.update(make_tokens(shop.seed, shop.engine, shop.tables, hook))
        yield shop


@contextmanager
def reopen_shop(chain: Chain, database_url: str) -> Iterator[Shop]:
    """The shop that an earlier demo left behind, with its tokens, and without the cases that it had."""
    seed = chain.config.seed
    with _opened(chain, database_url, seed) as shop:
        shop.tokens.update(known_tokens(chain, shop.engine, shop.tables))
        with reading(shop.engine) as connection:
            wallets = connection.scalars(sa.select(sa.func.count()).select_from(shop.tables.wallet)).one()
        # Nobody deletes wallets: what follows from their number was never made before.
        shop.keys_made, shop.keys_for = wallets, "later wallet"
        shop.dice.seed(f"{seed} {wallets}")
        yield shop


@contextmanager
def _opened(chain: Chain, database_url: str, seed: int) -> Iterator[Shop]:
    engine = open_engine(database_url)
    tables = peer_tables()
    create_peer_tables(engine, tables)
    migrate.upgrade(engine)
    wallet_key = base64.urlsafe_b64encode(_derived(seed, "wallet key")).decode()
    try:
        yield Shop(
            chain=chain,
            seed=Seed(chain),
            engine=engine,
            tables=tables,
            vault=WalletVault([SecretStr(wallet_key)], encrypted=True),
            wallet_key=wallet_key,
            fee_payer=_keypair(seed, "fee payer"),
            receiver=_keypair(seed, "receiver").pubkey(),
            stranger=_keypair(seed, "stranger").pubkey(),
            dice=random.Random(seed),  # noqa: S311 - prices and order, no secret
        )
    finally:
        engine.dispose()


def _row_id(token: Token) -> int:
    if token.row_id is None:
        raise ValueError(f"{token.symbol} is no token of the shop")
    return token.row_id


def _mint(token: Token) -> Pubkey:
    if token.mint is None:
        raise ValueError(f"{token.symbol} has no mint")
    return token.mint


def _keypair(seed: int, purpose: str) -> Keypair:
    return Keypair.from_seed(_derived(seed, purpose))


def _derived(seed: int, purpose: str) -> bytes:
    return hashlib.sha256(f"solpay demo {seed} {purpose}".encode()).digest()


def database_url(folder: Path) -> str:
    """The demo's database file."""
    return f"sqlite:///{folder / 'shop.db'}"
