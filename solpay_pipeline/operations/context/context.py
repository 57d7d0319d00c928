"""One operation under way: who it works for, what it may do, and what it has read of the chain once.

Opening an errand is the preflight. Whatever does not fit (cluster, receiver, schema) stops it there, before
anything is signed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from solders.account import Account
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from sqlalchemy import Connection, inspect

from solpay_pipeline.base.concurrently import both
from solpay_pipeline.base.database import reading
from solpay_pipeline.chain.reading.accounts import usable_mints
from solpay_pipeline.chain.reading.addresses import TOKEN_PROGRAMS
from solpay_pipeline.chain.reading.clock import CLOCK_SYSVAR, time_of_slot
from solpay_pipeline.chain.rpc.answers import RecentBlockhash
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.chain.rpc.errors import ChainError, MalformedAnswer
from solpay_pipeline.ledger import migrate
from solpay_pipeline.ledger.transactions import RunRef
from solpay_pipeline.lifecycle.holdings import Mint
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.operations.context.errors import Blocked
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.context.outcome import Tally
from solpay_pipeline.records.queries import token_mints, wallet_addresses_exist

Progress = Callable[[str, int], None]
"""Told a stage ("read", "moved", ...) and how many wallets it has just done."""

# A slot may be skipped or too young to have a time; the one before is at most half a second older.
_BLOCK_TIME_TRIES = 8

# A blockhash lives a minute or so; twenty seconds of it are for sending, the rest for confirming and sending again.
_FRESH_SECONDS = 2.0

# A shop has few tokens; those beyond are read where a wallet is met that has them.
_MINTS_AT_FIRST = 50

# Up to ten minutes after the oldest block that there was.
_HISTORY_TRIES = 12


@dataclass(slots=True)
class OperationContext:
    """State of one operation. `chain_time` is the time of the block at `chain_slot`: all later reads are asked to be
    at least as new, which is what makes expiry by `chain_time` sound. `mints` are as they were read last.
    """

    deployment: Deployment
    options: Options
    run: RunRef
    rpc: Rpc
    chain_slot: int
    chain_time: datetime
    receiver_exists: bool
    fee_payer_lamports: int
    progress: Progress
    mints: dict[Pubkey, Mint] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    fee_payer_floor: int = 0
    _signature_fee: int | None = None
    _unused_blockhash: tuple[RecentBlockhash, float] | None = None
    _history_from: dict[int, datetime] = field(default_factory=dict)
    _asking_history: asyncio.Lock = field(default_factory=asyncio.Lock)
    _started: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def must_stop(self) -> bool:
        """Tell whether the time is up; the reason is then in the tally."""
        limit = self.options.max_runtime_seconds
        if limit is not None and _seconds() - self._started >= limit:
            self.tally.stopped_reason = "max_runtime"
            return True
        return False

    async def signature_fee(self) -> int:
        """Lamports that the cluster takes for one signature, read once a run (getFeeForMessage).

        The fee payer's floor, the least that an account may keep, is read along with it.
        """
        if self._signature_fee is None:
            payer = self.deployment.fee_payer.pubkey
            nothing = transfer(TransferParams(from_pubkey=payer, to_pubkey=payer, lamports=0))
            asked_at = _seconds()
            recent = await self.rpc.latest_blockhash(self.deployment.commitment)
            message = MessageV0.try_compile(payer, [nothing], [], recent.blockhash)
            fee, self.fee_payer_floor = await both(
                self.rpc.fee_for_message(message, self.deployment.commitment), self.rpc.minimum_balance(0)
            )
            self._signature_fee = fee
            self._unused_blockhash = recent, asked_at
        return self._signature_fee

    async def ask_fee_early(self) -> None:
        """Ask while something else is read; where the node fails to tell the fee, whoever needs it asks again."""
        with suppress(ChainError):
            await self.signature_fee()

    async def blockhash(self) -> RecentBlockhash:
        """One to sign with: that which the fee was asked with, once and while it is fresh, else the newest."""
        unused, self._unused_blockhash = self._unused_blockhash, None
        if unused is not None and _seconds() - unused[1] < _FRESH_SECONDS:
            return unused[0]
        return await self.rpc.latest_blockhash(self.deployment.commitment)

    async def history_from(self, first_slot: int) -> datetime | None:
        """Since when a history is complete that begins at this slot; None where it goes back to the beginning.

        Each slot's time is read once a run.
        """
        if first_slot <= 1:
            return None
        async with self._asking_history:
            if first_slot not in self._history_from:
                # Nodes forget their oldest blocks while they are asked; a later one makes the history seem shorter.
                slots = [first_slot + 2**number - 1 for number in range(_HISTORY_TRIES)]
                self._history_from[first_slot] = await _block_time(self.rpc, slots)
        return self._history_from[first_slot]

    def patience(self) -> float:
        """Seconds that one delivery may take."""
        limit = self.options.max_runtime_seconds
        if limit is None:
            return self.options.patience_seconds
        left = limit - (_seconds() - self._started)
        return max(1.0, min(self.options.patience_seconds, left))

    def now(self) -> datetime:
        """The wall clock, for our own rows."""
        return self.deployment.clock()


def _seconds() -> float:
    """The clock of the event loop, by which all sleeps and timeouts of a run are measured as well."""
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def open_context(
    deployment: Deployment, options: Options, run: RunRef, progress: Progress
) -> AsyncIterator[OperationContext]:
    """Check everything that could send money the wrong way, then begin.

    Raises `Blocked` for what a person must mend, `WrongCluster` and the transient errors of the chain.
    """
    mints = _check_records(deployment)
    async with deployment.open_rpc(options.sleep) as rpc:
        await rpc.check_cluster(deployment.cluster)
        keys = [deployment.receiver, deployment.fee_payer.pubkey, CLOCK_SYSVAR, *mints]
        answer = await rpc.accounts(keys, commitment=deployment.commitment)
        receiver, payer, clock, *of_mints = answer.accounts
        _check_receiver(deployment, receiver)
        context = OperationContext(
            deployment=deployment,
            options=options,
            run=run,
            rpc=rpc,
            chain_slot=answer.slot,
            chain_time=time_of_slot(clock, answer.slot)
            or await _block_time(rpc, range(answer.slot, answer.slot - _BLOCK_TIME_TRIES, -1)),
            receiver_exists=receiver is not None,
            fee_payer_lamports=0 if payer is None else payer.lamports,
            progress=progress,
            mints=usable_mints(zip(mints, of_mints, strict=True)),
        )
        try:
            yield context
        finally:
            await deployment.fee_payer.aclose()


def check_ledger(connection: Connection) -> None:
    """Raise `Blocked` where our own tables are not as this version needs them."""
    if not migrate.is_current(connection):
        raise Blocked("the pipeline's tables are missing or of another version: run `solpay init`")


def _check_receiver(deployment: Deployment, account: Account | None) -> None:
    """What is sent to a token account's own ATA is recovered with trouble, to a program's or a mint's never."""
    if account is None or not (account.executable or account.owner in TOKEN_PROGRAMS):
        return
    kind = "a program" if account.executable else "a token account or a mint"
    raise Blocked(
        f"the receiver {deployment.receiver} is {kind}, not a wallet; "
        "set SOLPAY_RECEIVER_ADDRESS to the merchant's main wallet"
    )


def _check_records(deployment: Deployment) -> list[Pubkey]:
    """The mints of the shop's tokens, once all that is written is known to fit."""
    receiver, fee_payer = str(deployment.receiver), str(deployment.fee_payer.pubkey)
    with reading(deployment.engine) as connection:
        present = set(inspect(connection).get_table_names())
        missing = [table.name for table in deployment.tables.all if table.name not in present]
        if missing:
            raise Blocked(
                f"the database has no table {missing[0]}: run `solpay init`, or the shop's own migrations, "
                "or set SOLPAY_PAYMENT_TABLE and SOLPAY_TOKEN_TABLE"
            )
        check_ledger(connection)
        ours = wallet_addresses_exist(connection, deployment.tables, [receiver, fee_payer])
        if fee_payer in ours:
            raise Blocked(
                f"the fee payer {fee_payer} is one of the shop's own one-time wallets; "
                "set SOLPAY_FEE_PAYER_KEYPAIR to a key of its own"
            )
        if receiver in ours:
            raise Blocked(
                f"the receiver {receiver} is one of the shop's own one-time wallets; "
                "set SOLPAY_RECEIVER_ADDRESS to the merchant's main wallet"
            )
        return token_mints(connection, deployment.tables, limit=_MINTS_AT_FIRST)


async def _block_time(rpc: Rpc, slots: Sequence[int]) -> datetime:
    """The time of the first of these slots that has one."""
    for slot in slots:
        known = await rpc.block_time(slot)
        if known is not None:
            return known
    raise MalformedAnswer(f"no block time for the slots {min(slots)} to {max(slots)}")
