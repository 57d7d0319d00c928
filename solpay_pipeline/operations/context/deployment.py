"""Whom an operation works for: the merchant's database, keys, addresses and way to the chain."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from solders.pubkey import Pubkey
from sqlalchemy import Engine

from solpay_pipeline.base.clock import utc_now
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.chain.sending.signing import FeePayerSigner
from solpay_pipeline.ledger.spending import SpendingLimits
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.records.tables import PeerTables
from solpay_pipeline.records.vault import WalletVault


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedShop:
    """What it takes to look at a shop, and no key.

    `open_rpc` makes a client with a given pause, in seconds, between blockchain operations. `commitment` is how
    settled our own transactions and reads must be, `acceptance` how settled a customer's payment.
    """

    engine: Engine
    tables: PeerTables
    cluster: str
    open_rpc: Callable[[float], Rpc]
    commitment: Commitment = Commitment.CONFIRMED
    acceptance: Commitment = Commitment.CONFIRMED
    clock: Callable[[], datetime] = utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment(WatchedShop):
    """Everything that stays the same from run to run. `max_priority_fee` is in lamports a transaction.

    Without `has_keys` nothing is moved: payments are judged, credited and expired, the rest is left to a process that
    has them.
    """

    vault: WalletVault
    fee_payer: FeePayerSigner
    receiver: Pubkey
    has_keys: bool = True
    transaction_version: int = 0
    max_priority_fee: int = 0
    spending: SpendingLimits = field(default_factory=SpendingLimits)
