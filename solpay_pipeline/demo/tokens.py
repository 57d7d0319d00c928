"""The tokens of the demo's shop: SOL, mints of both token programs, and mints whose money is hard to move."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa
from solders.pubkey import Pubkey

from solpay_pipeline.base.database import reading
from solpay_pipeline.lifecycle.terms import SOL_DECIMALS
from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT, read_mint
from solpay_pipeline.localnet.tools.seed import TOKEN, TOKEN_2022, Seed
from solpay_pipeline.records.tables import PeerTables
from solpay_pipeline.testing.writing import add_token

# Base units that the customer can spend of each mint: far more than all prices together.
_PURSE = 10**13

FEE_BASIS_POINTS = 100
"""What the transfer-fee mint of the shop takes: one percent, rounded up."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token of the shop. `mint` and `program` are None for native SOL; `row_id` is None where no price names it."""

    symbol: str
    mint: Pubkey | None
    program: Pubkey | None
    decimals: int
    row_id: int | None


def make_tokens(seed: Seed, engine: sa.Engine, tables: PeerTables, hook: Pubkey) -> Mapping[str, Token]:
    """New mints and their rows, by symbol; transfers of HOOK call the program `hook`."""
    mints = {
        "USDC": seed.create_mint(),
        "EURC": seed.create_mint(program=TOKEN_2022),
        "TAX": seed.create_mint(program=TOKEN_2022, transfer_fee_basis_points=FEE_BASIS_POINTS),
        "wSOL": NATIVE_MINT,
        "HOOK": seed.create_mint(program=TOKEN_2022, extensions=["transfer_hook"], hook_program=hook),
        "SOUL": seed.create_mint(program=TOKEN_2022, extensions=["non_transferable"]),
        "HALT": seed.create_mint(program=TOKEN_2022, extensions=["pausable"]),
        "SPAM": seed.create_mint(),
    }
    programs = dict.fromkeys(mints, TOKEN_2022) | dict.fromkeys(("USDC", "wSOL", "SPAM"), TOKEN)
    made = {"SOL": Token("SOL", None, None, SOL_DECIMALS, _row(engine, tables, "SOL", None))}
    for symbol, mint in mints.items():
        row_id = None if symbol == "SPAM" else _row(engine, tables, symbol, mint)
        decimals = SOL_DECIMALS if mint == NATIVE_MINT else 6
        made[symbol] = Token(symbol, mint, programs[symbol], decimals, row_id)
    for symbol in ("USDC", "EURC", "TAX", "wSOL", "HALT", "SPAM"):
        seed.mint_to(seed.customer.pubkey(), mints[symbol], _PURSE)
    return made


def known_tokens(chain: Chain, engine: sa.Engine, tables: PeerTables) -> Mapping[str, Token]:
    """Those that have rows, by symbol. Raises ValueError where the chain has no such mint."""
    table = tables.token
    rows = sa.select(table.c.id, table.c.mint_address, sa.column("symbol")).select_from(table)
    with reading(engine) as connection:
        found = connection.execute(rows).all()
    return {row.symbol: _known(chain, row.symbol, row.mint_address, row.id) for row in found}


def _known(chain: Chain, symbol: str, mint_address: str | None, row_id: int) -> Token:
    if mint_address is None:
        return Token(symbol, None, None, SOL_DECIMALS, row_id)
    mint = Pubkey.from_string(mint_address)
    account = chain.accounts.newest(mint)
    state = None if account is None else read_mint(account.owner, account.data)
    if account is None or state is None:
        raise ValueError(f"the chain has no mint {mint}")
    return Token(symbol, mint, account.owner, state.decimals, row_id)


def _row(engine: sa.Engine, tables: PeerTables, symbol: str, mint: Pubkey | None) -> int:
    with engine.begin() as connection:
        return add_token(
            connection,
            tables,
            mint=None if mint is None else str(mint),
            price=Decimal(1),
            name=symbol,
            symbol=symbol,
        )
