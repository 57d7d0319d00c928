"""Payments, flows and holdings to ask the rules about. Prices: 1 SOL, or 5 tokens of six decimals."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.evidence.statement import Entry, EntryClass
from solpay_pipeline.lifecycle.holdings import Holdings, Mint, Obstacle, TokenHolding
from solpay_pipeline.lifecycle.terms import Payment, PaymentOption, PaymentStatus, Wallet, WalletState

CLASSIC, TOKEN_2022 = Pubkey.new_unique(), Pubkey.new_unique()
OWNER, USDC, PYUSD = Pubkey.new_unique(), Pubkey.new_unique(), Pubkey.new_unique()
CREATED = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
EXPIRES = CREATED + timedelta(minutes=30)
SECOND = timedelta(seconds=1)
IN_TIME, LATE = EXPIRES - SECOND, EXPIRES + SECOND
SOL = 10**9
PRICE = 5_000_000
DECIMALS = {USDC: 6, PYUSD: 6}

BY_SOL = PaymentOption(1, None, Decimal(1))
BY_USDC = PaymentOption(2, USDC, Decimal(5))
BY_PYUSD = PaymentOption(3, PYUSD, Decimal(5))


def payment(status: PaymentStatus = PaymentStatus.INITIATED, *options: PaymentOption) -> Payment:
    return Payment(7, OWNER, status, CREATED, EXPIRES, options or (BY_SOL, BY_USDC, BY_PYUSD))


def wallet(of: Payment | None = None) -> Wallet:
    return Wallet(3, WalletState.PROCESSING_PAYMENT, of or payment())


def came(
    amount: int,
    mint: Pubkey | None = None,
    *,
    slot: int = 1,
    at: datetime | None = IN_TIME,
    signature: str = "",
) -> Entry:
    entry_class = EntryClass.CAME_IN if amount > 0 else EntryClass.WENT_HOME
    return Entry(signature or f"in slot {slot}", slot, at, OWNER, mint, entry_class, amount)


def token(
    amount: int = 0,
    mint: Pubkey = USDC,
    *,
    program: Pubkey = CLASSIC,
    lamports: int = 1_000,
    withheld: int = 0,
    is_native: bool = False,
    obstacles: frozenset[Obstacle] = frozenset(),
    cannot_close: str | None = None,
    account: Pubkey | None = None,
) -> TokenHolding:
    return TokenHolding(
        account or Pubkey.new_unique(),
        Mint(mint, program, 6),
        amount,
        lamports,
        withheld,
        is_native,
        obstacles,
        cannot_close,
    )


def holds(
    lamports: int = 0,
    *tokens: TokenHolding,
    unreadable: dict[Pubkey, str] | None = None,
    cannot_move_lamports: str | None = None,
) -> Holdings:
    return Holdings(
        OWNER, 1, lamports, tokens, unreadable=unreadable or {}, cannot_move_lamports=cannot_move_lamports
    )
