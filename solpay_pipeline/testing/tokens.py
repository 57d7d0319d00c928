"""What a shop can be paid in: SOL, and tokens of either token program."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from solders.pubkey import Pubkey

from solpay_pipeline.base.database import reading
from solpay_pipeline.lifecycle.terms import SOL_DECIMALS
from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.chain.token_layout import read_mint
from solpay_pipeline.records.tables import PeerTables

_SYSTEM_PROGRAM = Pubkey.default()


@dataclass(frozen=True, slots=True)
class Token:
    """A token on the chain. `mint` is None for native SOL, whose `program` is the system's; `row_id` is None where no
    payment may name it. `price` is what a payment asks for unless it says otherwise, in whole tokens.
    """

    symbol: str
    mint: Pubkey | None
    program: Pubkey
    decimals: int
    price: Decimal
    row_id: int | None = None

    def units(self, amount: Decimal) -> int:
        """Base units of an amount of whole tokens, cut off after the last decimal."""
        return int(amount.scaleb(self.decimals))


def token_on(
    chain: Chain,
    mint: Pubkey | None,
    symbol: str = "",
    price: Decimal = Decimal(1),
    row_id: int | None = None,
) -> Token:
    """The token as the chain knows its mint; None is SOL. Raises ValueError where there is no such mint."""
    if mint is None:
        return Token(symbol or "SOL", None, _SYSTEM_PROGRAM, SOL_DECIMALS, price, row_id)
    account = chain.accounts.newest(mint)
    state = None if account is None else read_mint(account.owner, account.data)
    if account is None or state is None:
        raise ValueError(f"the chain has no mint {mint}")
    return Token(symbol or str(mint), mint, account.owner, state.decimals, price, row_id)


def tokens_in_rows(engine: sa.Engine, tables: PeerTables, chain: Chain) -> Mapping[Pubkey | None, Token]:
    """The tokens of the peer's own token table, by mint. Raises ValueError where the chain lacks one of them."""
    table = tables.token
    columns: tuple[sa.ColumnElement[Any], ...] = (
        table.c.id,
        table.c.mint_address,
        table.c.payment_crypto_price,
        sa.column("symbol"),
    )
    with reading(engine) as connection:
        rows = connection.execute(sa.select(*columns).select_from(table).order_by(table.c.id)).all()
    mints = [row.mint_address and Pubkey.from_string(row.mint_address) for row in rows]
    return {
        mint: token_on(chain, mint, row.symbol, row.payment_crypto_price, row.id)
        for mint, row in zip(mints, rows, strict=True)
    }
