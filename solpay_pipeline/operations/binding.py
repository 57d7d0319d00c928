"""Binds the ledger at first use to one cluster and one receiver, and holds every later run to them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from solders.account import Account
from solders.pubkey import Pubkey
from sqlalchemy import Connection, Engine

from solpay_pipeline.base.database import reading
from solpay_pipeline.base.errors import Blocked, NeedsOperator
from solpay_pipeline.chain.reading.addresses import NATIVE_MINTS, TOKEN_PROGRAMS, associated_token_address
from solpay_pipeline.chain.rpc.answers import Untold, told
from solpay_pipeline.chain.rpc.failover import GENESIS
from solpay_pipeline.ledger import installation
from solpay_pipeline.ledger.audit import WroteAtOnce
from solpay_pipeline.ledger.installation import FIRST_USE, Receiver
from solpay_pipeline.ledger.transactions import LandedMovement, newest_landed_movement
from solpay_pipeline.operations.context.binding import Binding
from solpay_pipeline.operations.context.deployment import WatchedShop
from solpay_pipeline.records.queries import token_mints

MINTS_AT_FIRST = 50
"""A shop has few tokens; those beyond are read where a wallet is met that has them."""


class MainnetStays(NeedsOperator):
    """A ledger of mainnet stays one, and one of a test network never becomes one."""


@dataclass(frozen=True, slots=True)
class Served:
    """The cluster that the endpoints serve; `has_tokens` unless it knows none of the tokens that the shop takes."""

    genesis_hash: str
    has_tokens: bool = True

    @classmethod
    def of(cls, genesis_hash: str, tokens: Iterable[tuple[Pubkey, Account | Untold | None]]) -> Self:
        """`tokens` are mints of the shop with their accounts. Wrapped SOL is on every cluster, and proves nothing."""
        accounts = [account for mint, account in tokens if mint not in NATIVE_MINTS]
        return cls(genesis_hash, not accounts or any(account is not None for account in accounts))


def bound(
    engine: Engine, served: Served, receiver: Pubkey, now: datetime, *, only_look: bool = False
) -> Binding:
    """What the ledger is bound to; what is not bound yet is bound to this cluster and this receiver.

    An older ledger that was never bound takes the receiver only where its newest landed transaction sent money there.
    With `only_look` nothing is written, and the answer is what would be. Raises `AnotherCluster`, and `Blocked` where a
    ledger that was never bound would be bound to a cluster that knows none of the shop's tokens.
    """
    binding = _look(engine, served, receiver, now)
    if binding.is_written or only_look:
        return binding
    try:
        _bind(engine, served, receiver, now)
    except WroteAtOnce:
        # Of two first runs at once the other has bound the ledger.
        _bind(engine, served, receiver, now)
    return _look(engine, served, receiver, now)


def check_receiver(receiver: Pubkey, account: Account | None) -> None:
    """Raise `Blocked` where the receiver's account is no wallet.

    What is sent to a token account's own ATA is recovered with trouble, to a program's or a mint's never.
    """
    if account is None or not (account.executable or account.owner in TOKEN_PROGRAMS):
        return
    kind = "a program" if account.executable else "a token account or a mint"
    raise Blocked(
        f"the receiver {receiver} is {kind}, not a wallet; "
        "set SOLPAY_RECEIVER_ADDRESS to the merchant's main wallet"
    )


async def served_to(shop: WatchedShop, receiver: Pubkey) -> Served:
    """The cluster that the endpoints serve, asked without a key. The shop's tables must be there.

    Raises `Blocked` where the receiver is no wallet, and the errors of the chain, `WrongCluster` among them.
    """
    with reading(shop.engine) as connection:
        mints = token_mints(connection, shop.tables, limit=MINTS_AT_FIRST)
    async with shop.open_rpc(0.0) as rpc:
        genesis_hash = await rpc.check_cluster(shop.cluster)
        answer = await rpc.accounts([receiver, *mints], commitment=shop.commitment)
    account, *of_mints = answer.accounts
    check_receiver(receiver, told(account))
    return Served.of(genesis_hash, zip(mints, of_mints, strict=True))


def rebind_cluster(engine: Engine, genesis_hash: str, now: datetime) -> None:
    """Bind to the cluster that a local or test network has become by its reset; the receivers stay.

    A ledger that was never bound is bound, whatever the cluster. Raises `MainnetStays` where a bound one is of mainnet,
    or would be, `WroteAtOnce`.
    """
    with engine.begin() as connection:
        before = installation.bound_cluster(connection)
        if before is None:
            installation.bind_cluster(connection, genesis_hash, now)
            return
        if GENESIS["mainnet-beta"] in (genesis_hash, before):
            raise MainnetStays("mainnet is never reset: a ledger is not bound away from it, nor to it")
        installation.rebind_cluster(connection, genesis_hash, "solpay init --rebind-cluster", now)


def _look(engine: Engine, served: Served, receiver: Pubkey, now: datetime) -> Binding:
    with reading(engine) as connection:
        installation.check_cluster(connection, served.genesis_hash)
        has_cluster = installation.bound_cluster(connection) is not None
        known = installation.receivers(connection)
        newest = None if known else newest_landed_movement(connection)
    if not has_cluster and not served.has_tokens:
        raise Blocked(
            f"SOLPAY_RPC_URLS serves the cluster {served.genesis_hash}, which knows none of the tokens that this shop "
            "takes: put the right settings back, nothing was changed; if they are right, `solpay init --rebind-cluster`"
        )
    if known:
        return Binding(_homes(known, now), _obstacle(known, receiver, now), has_cluster)
    if _is_first(newest, receiver):
        return Binding({receiver: None}, is_written=False)
    return Binding({}, _unclear(newest, receiver), has_cluster)


def _bind(engine: Engine, served: Served, receiver: Pubkey, now: datetime) -> None:
    with engine.begin() as connection:
        installation.bind_cluster(connection, served.genesis_hash, now)
        if _has_no_receiver(connection) and _is_first(newest_landed_movement(connection), receiver):
            installation.allow(connection, receiver, FIRST_USE, now)


def _homes(known: list[Receiver], now: datetime) -> dict[Pubkey, datetime | None]:
    return {one.address: one.revoked_at for one in known if one.was_home(now)}


def _has_no_receiver(connection: Connection) -> bool:
    return not installation.receivers(connection)


def _is_first(newest: LandedMovement | None, receiver: Pubkey) -> bool:
    """Whether an unbound ledger takes this receiver: it has sent no money yet, or the last of it there."""
    if newest is None:
        return True
    if newest.mint is None:
        return newest.destination == str(receiver)
    mint = Pubkey.from_string(newest.mint)
    accounts = {str(associated_token_address(receiver, mint, program)) for program in TOKEN_PROGRAMS}
    return newest.destination in accounts


def _unclear(newest: LandedMovement | None, receiver: Pubkey) -> str:
    went = "" if newest is None else f": the last money that this ledger sent went to {newest.destination}"
    return f"it is not known that the receiver {receiver} is right{went}; {_allow(receiver)}"


def _obstacle(known: list[Receiver], receiver: Pubkey, now: datetime) -> str | None:
    found = next((one for one in known if one.address == receiver), None)
    if found is None:
        return f"the receiver {receiver} is not allowed; {_allow(receiver)}"
    if found.revoked_at is not None:
        return f"the receiver {receiver} was revoked at {found.revoked_at:%Y-%m-%d %H:%M} UTC; {_allow(receiver)}"
    if not found.takes_money(now):
        return (
            f"the receiver {receiver} is allowed from {found.effective_at:%Y-%m-%d %H:%M} UTC on; to send there "
            f"sooner, run `solpay receiver revoke {receiver} --reason WHY`, then "
            f"`solpay receiver allow {receiver} --now --reason WHY`"
        )
    return None


def _allow(receiver: Pubkey) -> str:
    return f"set SOLPAY_RECEIVER_ADDRESS right, or run `solpay receiver allow {receiver} --reason WHY`"
