"""The demo's shop: everything in it, mints, payments and prices, is made from one seed, that of its chain."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.base.database import reading
from solpay_pipeline.chain.sending.instructions import create_ata_idempotent
from solpay_pipeline.lifecycle.terms import SOL_DECIMALS
from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT
from solpay_pipeline.localnet.server.node import Node
from solpay_pipeline.localnet.tools.seed import TOKEN_2022
from solpay_pipeline.testing import shop as testing
from solpay_pipeline.testing.keys import Keys
from solpay_pipeline.testing.shop import PAYMENT_LASTS, Customer
from solpay_pipeline.testing.tokens import Token, token_on

TAX_BASIS_POINTS = 100
"""What the mint of TAX takes of each transfer: one percent, rounded up."""

_MINTS: Mapping[str, Mapping[str, Any]] = {
    "USDC": {},
    "EURC": {"program": TOKEN_2022},
    "TAX": {"program": TOKEN_2022, "transfer_fee_basis_points": TAX_BASIS_POINTS},
    "wSOL": {},
    "HOOK": {"program": TOKEN_2022, "extensions": ["transfer_hook"]},
    "SOUL": {"program": TOKEN_2022, "extensions": ["non_transferable"]},
    "HALT": {"program": TOKEN_2022, "extensions": ["pausable"]},
    "SPAM": {},
}

# Base units that the customer can spend of each mint that moves: far more than all prices together.
_PURSE = 10**13
_MOVES = ("USDC", "EURC", "TAX", "wSOL", "HALT", "SPAM")


@dataclass
class Shop(testing.Shop):
    """`cases` are its payments by situation. What goes to the `stranger` is lost to it."""

    cases: list[Customer] = field(default_factory=list)
    keys_made: int = 0
    keys_for: str = "wallet"

    def __post_init__(self) -> None:
        """What follows from the seed."""
        self.keys = _keys(self.node)
        self.dice = random.Random(self.chain.config.seed)  # noqa: S311 - prices and order, no secret
        self.stranger = self.keys.keypair("stranger").pubkey()

    def token(self, symbol: str) -> Token:
        """A token by its symbol. Raises KeyError where the shop does not know it."""
        return {token.symbol: token for token in self.tokens.values()}[symbol]

    def mint(self, symbol: str) -> Pubkey:
        """A token's mint. Raises ValueError for SOL."""
        mint = self.token(symbol).mint
        if mint is None:
            raise ValueError(f"{symbol} has no mint")
        return mint

    def new_keypair(self) -> Keypair:
        """The next key of the seed."""
        self.keys_made += 1
        return self.keys.keypair(f"{self.keys_for} {self.keys_made}")

    def add_case(
        self,
        situation: str,
        symbols: Sequence[str],
        *,
        with_accounts: bool = True,
        lasts: timedelta = PAYMENT_LASTS,
    ) -> Customer:
        """The next payment, priced by the dice."""
        keypair = self.new_keypair()
        prices = {self.token(symbol).mint: self._price(symbol) for symbol in symbols}
        case = self.new_payment(prices, lasts=lasts, with_accounts=with_accounts, keypair=keypair)
        case.name = situation
        self.cases.append(case)
        return case

    def open_accounts(self, owner: Pubkey, mints: Sequence[Pubkey]) -> None:
        """As the peer does: the fee payer lends the rent."""
        payer = self.fee_payer.pubkey()
        opened = [create_ata_idempotent(payer, owner, mint, self.tokens[mint].program) for mint in mints]
        if opened:
            self.seed.send(opened, [self.fee_payer])

    def _price(self, symbol: str) -> Decimal:
        if self.token(symbol).decimals == SOL_DECIMALS:
            return Decimal(self.dice.randrange(20, 900)).scaleb(-3)
        return Decimal(self.dice.randrange(200, 25_000)).scaleb(-2)


@contextmanager
def open_shop(node: Node, database_url: str) -> Iterator[Shop]:
    """A new shop with its tokens and without a payment yet."""
    with Shop.open(database_url, node, keys=_keys(node)) as shop:
        shop.fund()
        _make_tokens(shop)
        yield shop


@contextmanager
def reopen_shop(node: Node, database_url: str) -> Iterator[Shop]:
    """The shop that an earlier demo left behind, with its tokens, and without the cases that it had."""
    with Shop.open(database_url, node, keys=_keys(node)) as shop:
        shop.read_tokens()
        with reading(shop.engine) as connection:
            wallets = connection.scalars(sa.select(sa.func.count()).select_from(shop.tables.wallet)).one()
        # Nobody deletes wallets: what follows from their number was never made before.
        shop.keys_made, shop.keys_for = wallets, "later wallet"
        shop.dice.seed(f"{node.chain.config.seed} {wallets}")
        yield shop


def database_url(folder: Path) -> str:
    """The demo's database file."""
    return f"sqlite:///{folder / 'shop.db'}"


def _keys(node: Node) -> Keys:
    return Keys(f"solpay demo {node.chain.config.seed}")


def _make_tokens(shop: Shop) -> None:
    shop.accept_token(None, "1", "SOL")
    hook = shop.keys.keypair("hook program").pubkey()
    for symbol, how in _MINTS.items():
        mint = NATIVE_MINT if symbol == "wSOL" else shop.seed.create_mint(**how, hook_program=hook)
        if symbol == "SPAM":
            shop.tokens[mint] = token_on(shop.chain, mint, symbol)
        else:
            shop.accept_token(mint, "1", symbol)
    for symbol in _MOVES:
        shop.seed.mint_to(shop.seed.customer.pubkey(), shop.mint(symbol), _PURSE)
