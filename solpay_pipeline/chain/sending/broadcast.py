"""Sends signed transactions and reports how each ended. Signs nothing.

A send that failed may have landed, and one that succeeded may not, so only the chain is believed: the same bytes are
sent again while their blockhash lives, and one status poll asks about all open signatures. What is not known when
patience runs out stays `IN_FLIGHT` for the next run. Only `expiry.py` can declare one dead.
"""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from solpay_pipeline.chain.rpc.answers import SignatureStatus, Untold, failed_instruction
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.chain.rpc.errors import ChainError, PreflightFailed, TransactionRefused
from solpay_pipeline.chain.sending.expiry import Alive, Claim, Dead, Unknown, verdicts
from solpay_pipeline.lifecycle.terms import Commitment

FIRST_POLL_SECONDS = 0.3
POLL_SECONDS = 0.4
"""About a slot: a confirmation that takes a second is seen by the third poll."""

QUICK_POLLS = 4
POLL_GROWTH = 1.5
SLOWEST_POLL_SECONDS = 2.0
"""After the quick polls the wait grows: what is left waits for finality, a resend or expiry."""

VERDICT_SECONDS = 2.0
"""Between two checks of the finalized height, once a blockhash has expired."""


class Fate(StrEnum):
    """How a transaction ended, or that it has not."""

    CONFIRMED = "confirmed"
    """Landed without error, seen at the commitment asked for."""

    FINALIZED = "finalized"
    """Landed without error, for good."""

    FAILED = "failed"
    """Landed with an error and paid its fee, for good."""

    REFUSED = "refused"
    """The first node that got it found it to fail, or to be no transaction, and said so itself: it never left."""

    DEAD = "dead"
    """Did not land and no longer can, by the rule of `expiry.py`."""

    IN_FLIGHT = "in_flight"
    """Not known yet."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed and recorded transaction. `sent_slot` is a slot not later than its first send.

    `may_be_resent` is False for one of an earlier run that would not be signed today: only its status is read.
    """

    signature: str
    wire: bytes = field(repr=False)
    last_valid_block_height: int
    sent_slot: int | None
    may_be_resent: bool = True


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the chain said about one signature.

    `slot` is where it landed. `err` is the TransactionError as JSON text, or a node's words where it refused without
    one; an IN_FLIGHT receipt with `err` has landed with an error that is not final yet. `fee` in lamports is known for
    FAILED only. `reason` says in words why it is IN_FLIGHT; `is_undecidable`: it is over, and no endpoint of today can
    tell how it ended.
    """

    signature: str
    fate: Fate
    slot: int | None = None
    err: str | None = None
    logs: tuple[str, ...] = ()
    failed_instruction: int | None = None
    fee: int | None = None
    reason: str | None = None
    is_undecidable: bool = False


@dataclass(slots=True)
class _Open:
    """A transaction on its way.

    `may_have_left`: some node may have passed it on. `is_over`: it can probably no longer land, so a verdict is needed.
    `doubt` is the last that is known about it, in words.
    """

    signed: Signed
    may_have_left: bool
    last_sent: float = float("-inf")
    is_over: bool = False
    status: SignatureStatus | None = None
    doubt: str = "it has not been sent to any node yet"

    def is_due(self, now: float, resend_seconds: float) -> bool:
        """Whether no node knows it and the last send is long enough ago."""
        return self.status is None and not self.is_over and now - self.last_sent >= resend_seconds


async def broadcast(
    rpc: Rpc,
    signed: Iterable[Signed] | AsyncIterable[Signed],
    *,
    commitment: Commitment,
    patience_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    resend_seconds: float = 2.0,
    already_sent: bool = False,
    on_receipts: Callable[[Sequence[Receipt]], None] | None = None,
) -> dict[str, Receipt]:
    """Send all, wait for `commitment`, and return a receipt for each by signature.

    Blockhashes should be read at `confirmed`: preflight runs there, or at `processed` where only that is asked for.
    Where `signed` come one by one, as they are recorded, each is sent while the next is made. `already_sent` is for
    what an earlier run left: it is looked up in the history first and can no longer be REFUSED. `on_receipts` gets each
    receipt once, IN_FLIGHT included, together with all others from the same poll.

    Raises no ChainError: what cannot be found out is IN_FLIGHT, with the reason. What making `signed` raises is raised
    after the sends on their way are over.
    """
    coming = signed if isinstance(signed, AsyncIterable) else _one_by_one(signed)
    deadline = clock() + patience_seconds
    sending = _Broadcast(rpc, commitment, clock, sleep, resend_seconds, deadline, on_receipts, coming)
    return await sending.run(already_sent)


@dataclass(slots=True)
class _Broadcast:
    rpc: Rpc
    commitment: Commitment
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    resend_seconds: float
    deadline: float
    on_receipts: Callable[[Sequence[Receipt]], None] | None
    coming: AsyncIterable[Signed]
    open: dict[str, _Open] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    unreported: list[Receipt] = field(default_factory=list)
    next_verdict: float = float("-inf")

    @property
    def newest(self) -> Commitment:
        """Where blockhashes are read: even when waiting for finality, preflight should run on new state."""
        return min(self.commitment, Commitment.CONFIRMED, key=list(Commitment).index)

    async def run(self, already_sent: bool) -> dict[str, Receipt]:
        """The whole broadcast; where it ends early, what is known is reported too."""
        try:
            await self._send_and_poll(already_sent)
        finally:
            self._report()
        return self.receipts

    async def _send_and_poll(self, already_sent: bool) -> None:
        """Each pass of the loop is one status poll and what follows from it."""
        sending = 0.0
        if already_sent:
            async for signed in self.coming:
                self.open[signed.signature] = _Open(signed, may_have_left=True)
            await self._look(search_history=True)
        else:
            started = self.clock()
            await self._send_coming()
            sending = self.clock() - started
            self._report()
        polls = 0
        while self.open and (left := self.deadline - self.clock()) > 0:
            # Half of a long list was sent more than half of that time ago, and may well be confirmed by now.
            pause = max(_wait(polls) - sending / 2, 0.0) if polls == 0 else _wait(polls)
            await self.sleep(min(pause, left))
            polls += 1
            # Old signatures leave a node's cache of recent statuses; after that only the history knows them.
            await self._look(search_history=already_sent or any(each.is_over for each in self.open.values()))
        for each in list(self.open.values()):
            self._settle(each, Fate.IN_FLIGHT)

    async def _look(self, *, search_history: bool) -> None:
        await self._poll(search_history=search_history)
        self._report()
        await self._resend()
        await self._judge_expired()
        self._report()

    async def _send_coming(self) -> None:
        sends: list[asyncio.Task[None]] = []
        try:
            async for signed in self.coming:
                self.open[signed.signature] = each = _Open(signed, may_have_left=False)
                sends.append(asyncio.create_task(self._send_one(each)))
        finally:
            await _all_over(sends)

    async def _send(self, batch: Sequence[_Open]) -> None:
        await _all_over(map(self._send_one, batch))

    async def _send_one(self, each: _Open) -> None:
        each.last_sent = self.clock()
        if each.last_sent >= self.deadline:
            return
        try:
            await self.rpc.send(each.signed.wire, preflight_commitment=self.newest)
        except PreflightFailed as failure:
            self._preflight_failed(each, failure)
            return
        except TransactionRefused as refusal:
            each.doubt = str(refusal)
            if not each.may_have_left:
                self._settle(each, Fate.REFUSED, err=str(refusal))
                return
        except ChainError as error:
            each.doubt = str(error)
        else:
            each.doubt = "a node has taken it, but it has not been seen to land"
        each.may_have_left = True

    def _preflight_failed(self, each: _Open, failure: PreflightFailed) -> None:
        each.doubt = str(failure)
        match failure.raw_err:
            case "AlreadyProcessed":
                each.may_have_left = True
            case "BlockhashNotFound":
                # The node is behind, or the blockhash has expired: only the verdict can say which.
                pass
            case _ if not each.may_have_left:
                self._settle(
                    each,
                    Fate.REFUSED,
                    err=failure.err,
                    logs=failure.logs,
                    failed=failed_instruction(failure.raw_err),
                )
            case _:
                # An earlier send may have landed and done the work, which makes this one fail.
                pass

    async def _poll(self, *, search_history: bool) -> None:
        batch = list(self.open.values())
        try:
            answer = await self.rpc.statuses(
                [each.signed.signature for each in batch], search_history=search_history
            )
        except ChainError as error:
            for each in batch:
                each.doubt = str(error)
            return
        for each, status in zip(batch, answer.statuses, strict=True):
            if isinstance(status, Untold):
                each.doubt = status.why
                continue
            each.status = status
            if status is not None:
                await self._seen(each, status)

    async def _seen(self, each: _Open, status: SignatureStatus) -> None:
        each.may_have_left = True
        final = status.confirmation is Commitment.FINALIZED
        if status.err is None:
            each.doubt = f"seen at {status.confirmation}, not yet at {self.commitment}"
            if self.commitment.reached_by(status.confirmation):
                self._settle(each, Fate.FINALIZED if final else Fate.CONFIRMED)
            return
        each.doubt = f"failed at {status.confirmation}, which is not final"
        if final and not each.is_over:
            await self._failed(each)

    async def _failed(self, each: _Open) -> None:
        """A finalized failure is final only if it paid a fee (SIMD-0290)."""
        try:
            record = await self.rpc.listed_transaction(each.signed.signature, commitment=Commitment.FINALIZED)
        except ChainError as error:
            each.doubt = str(error)
            return
        if record.err is None:
            return
        if record.fee > 0:
            self._settle(each, Fate.FAILED, logs=record.logs, fee=record.fee)
        else:
            each.is_over = True
            each.doubt = "failed without a fee, which is not final before its blockhash has expired"

    async def _resend(self) -> None:
        """Send again what is due, unless its blockhash has expired."""
        now = self.clock()
        due = [each for each in self.open.values() if each.is_due(now, self.resend_seconds)]
        if not due:
            return
        try:
            height = await self.rpc.block_height(self.newest)
        except ChainError as error:
            for each in due:
                each.doubt = str(error)
            return
        for each in due:
            each.is_over = height > each.signed.last_valid_block_height
            if not each.signed.may_be_resent:
                each.doubt = (
                    "it may still land, but it is not what would be signed today, and is not sent again"
                )
                each.last_sent = now
        await self._send([each for each in due if not each.is_over and each.signed.may_be_resent])

    async def _judge_expired(self) -> None:
        """Get a verdict on what can probably no longer land."""
        over = [each for each in self.open.values() if each.is_over]
        if not over or self.clock() < self.next_verdict:
            return
        found = await verdicts(self.rpc, [_claim(each.signed) for each in over])
        self.next_verdict = self.clock() + VERDICT_SECONDS
        for each in over:
            match found[each.signed.signature]:
                case Dead():
                    self._settle(each, Fate.DEAD)
                case Unknown(reason, stays_so):
                    each.doubt = f"its blockhash has expired, but it cannot be called dead: {reason}"
                    if stays_so:
                        self._settle(each, Fate.IN_FLIGHT, is_undecidable=True)
                case Alive(None):
                    each.doubt = "it may still land: its blockhash has not expired in a finalized block yet"
                case Alive(SignatureStatus() as status):
                    # Whoever knows it: the endpoint that is asked for statuses may have forgotten.
                    each.status = status
                    await self._seen(each, status)

    def _settle(
        self,
        each: _Open,
        fate: Fate,
        *,
        err: str | None = None,
        logs: tuple[str, ...] = (),
        failed: int | None = None,
        fee: int | None = None,
        is_undecidable: bool = False,
    ) -> None:
        signature, status = each.signed.signature, each.status
        if status is not None and fate is not Fate.DEAD:
            err, failed = status.err, failed_instruction(status.raw_err)
        receipt = Receipt(
            signature=signature,
            fate=fate,
            slot=None if status is None else status.slot,
            err=err,
            logs=logs,
            failed_instruction=failed,
            fee=fee,
            reason=each.doubt if fate is Fate.IN_FLIGHT else None,
            is_undecidable=is_undecidable,
        )
        del self.open[signature]
        self.receipts[signature] = receipt
        self.unreported.append(receipt)

    def _report(self) -> None:
        found, self.unreported = self.unreported, []
        if found and self.on_receipts is not None:
            self.on_receipts(found)


async def _all_over(sends: Iterable[Awaitable[None]]) -> None:
    """Wait for all sends before a failure of one may end the broadcast: none goes on unseen."""
    for outcome in await asyncio.gather(*sends, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


async def _one_by_one(signed: Iterable[Signed]) -> AsyncIterator[Signed]:
    for each in signed:
        yield each


def _claim(signed: Signed) -> Claim:
    return Claim(signed.signature, signed.last_valid_block_height, signed.sent_slot)


def _wait(polls: int) -> float:
    """Seconds before the next poll, after so many polls."""
    if polls == 0:
        return FIRST_POLL_SECONDS
    return min(SLOWEST_POLL_SECONDS, POLL_SECONDS * POLL_GROWTH ** max(0, polls - QUICK_POLLS))
