"""What one run asks the chain once: what a signature and priority cost, a blockhash to begin with, how far histories
reach.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from solpay_pipeline.base.clock import loop_seconds
from solpay_pipeline.base.concurrently import both
from solpay_pipeline.chain.reading.clock import first_block_time
from solpay_pipeline.chain.rpc.answers import RecentBlockhash
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.chain.rpc.errors import ChainError, Unanswered, WrongCluster
from solpay_pipeline.chain.rpc.plausible import BASE_FEE
from solpay_pipeline.chain.sending.compute import priority_price
from solpay_pipeline.chain.sending.wire import TransactionShape
from solpay_pipeline.operations.context.deployment import Deployment

# A blockhash lives a minute or so; twenty seconds of it are for sending, the rest for confirming and sending again.
_FRESH_SECONDS = 2.0

# Beyond every slot: whoever tells where its history begins will do.
_ANY_SLOT = 2**63

# Up to ten minutes after the oldest block that there was.
_HISTORY_TRIES = 12


@dataclass(slots=True)
class ChainFacts:
    """Answers that hold for one run. `fee_payer_lamports` is what the fee payer has left by our own reckoning.

    `fee_payer_floor`, in lamports, is the least that an account may keep; it is read along with the price. `clock` is
    in seconds, `rents` are what token accounts were opened with, where their lamports alone did not tell. `remarks` are
    what was done without, because no endpoint offers it: a line each.
    """

    rpc: Rpc
    deployment: Deployment
    fee_payer_lamports: int
    fee_payer_floor: int = 0
    rents: dict[Pubkey, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    clock: Callable[[], float] = loop_seconds
    _shape: TransactionShape | None = None
    _signature_fee: int | None = None
    _unused_blockhash: tuple[RecentBlockhash, float] | None = None
    _history_from: dict[int, datetime] = field(default_factory=dict)
    _asking_history: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def signature_fee(self) -> int:
        """Lamports that the cluster takes for one signature, read once a run (getFeeForMessage).

        Never less than the base fee, so that the limits of spending hold whatever a node says; the base fee where none
        says.
        """
        if self._signature_fee is None:
            payer = self.deployment.fee_payer.pubkey
            nothing = transfer(TransferParams(from_pubkey=payer, to_pubkey=payer, lamports=0))
            asked_at = self.clock()
            recent = await self.rpc.latest_blockhash(self.deployment.commitment)
            message = MessageV0.try_compile(payer, [nothing], [], recent.blockhash)
            fee, self.fee_payer_floor = await both(self._fee_of(message), self.rpc.minimum_balance(0))
            self._signature_fee = max(fee, BASE_FEE)
            self._unused_blockhash = recent, asked_at
        return self._signature_fee

    async def _fee_of(self, message: MessageV0) -> int:
        try:
            return await self.rpc.signature_fee(message, self.deployment.commitment)
        except WrongCluster:
            raise
        except ChainError as error:
            self._remark(f"a signature is taken to cost {BASE_FEE} lamports, as ever: {error}")
            return BASE_FEE

    async def ask_fee_early(self) -> None:
        """Ask while something else is read; where the node does not say, the next who needs the fee asks again."""
        with suppress(ChainError):
            await self.signature_fee()

    async def shape(self) -> TransactionShape:
        """How transactions are written in this run; the priority price is read once."""
        if self._shape is None:
            deployment = self.deployment
            price = 0
            if deployment.max_priority_fee:
                written = [deployment.fee_payer.pubkey, deployment.receiver]
                price = await self._price(written)
            self._shape = TransactionShape(deployment.transaction_version, price, deployment.max_priority_fee)
        return self._shape

    async def _price(self, written: Sequence[Pubkey]) -> int:
        try:
            return await priority_price(self.rpc, written)
        except WrongCluster:
            raise
        except ChainError as error:
            self._remark(f"nothing is paid for priority, since nobody says what others pay: {error}")
            return 0

    def _remark(self, line: str) -> None:
        if line not in self.remarks:
            self.remarks.append(line)

    async def blockhash(self) -> RecentBlockhash:
        """One to sign with: that which the fee was asked with, once and while it is fresh, else the newest."""
        unused, self._unused_blockhash = self._unused_blockhash, None
        if unused is not None and self.clock() - unused[1] < _FRESH_SECONDS:
            return unused[0]
        return await self.rpc.latest_blockhash(self.deployment.commitment)

    async def cut_after(self, made_at: datetime, first_slot: int | None) -> int | None:
        """The slot before which a history must begin that tells of a payment made then, where this one does not.

        None where it does, or where nobody knows when its first slot was.
        """
        if first_slot is None:
            return _ANY_SLOT
        try:
            begins = await self.history_from(first_slot)
        except Unanswered:
            return None
        return first_slot if begins is not None and begins > made_at else None

    def known_cut_after(self, made_at: datetime) -> int | None:
        """The same, by the histories that were asked for before in this run."""
        too_late = [slot for slot, begins in self._history_from.items() if begins > made_at]
        return min(too_late, default=None)

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
                self._history_from[first_slot] = await first_block_time(self.rpc, slots)
        return self._history_from[first_slot]
