"""Subscriptions of one WebSocket: slots, signatures, accounts and logs. Each look reports what is new since the last
one, in the order of slots. Of an account it reports the newest state, as between two frozen banks.

Methods and notifications: https://solana.com/docs/rpc/websocket.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from solders.account import Account
from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.config import CommitmentName
from solpay_pipeline.localnet.chain.errors import METHOD_NOT_FOUND, RpcError, invalid_params
from solpay_pipeline.localnet.chain.history import TransactionRecord
from solpay_pipeline.localnet.rpc.account_shape import AccountShape, with_context
from solpay_pipeline.localnet.rpc.encoding import ACCOUNT_ENCODINGS
from solpay_pipeline.localnet.rpc.params import Call, address, signature
from solpay_pipeline.localnet.rpc.view import View

MAX_SUBSCRIPTIONS = 1_000
"""On one connection; a real node has a limit for all of them together."""

_MAX_SLOTS_REPORTED = 64
"""After a jump of the chain only the last slots are reported one by one."""

_TOO_LONG = "error: data too large for bs58 encoding"
"""What a subscriber gets in place of the data (agave, account-decoder, `encode_bs58`)."""


@dataclass(frozen=True, slots=True)
class News:
    """One look at one subscription: the notifications, and whether these were the last."""

    results: list[Any]
    over: bool = False


Look = Callable[[], News]


class Subscriptions:
    """What one connection has subscribed to."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._next = 0
        self._open: dict[int, tuple[str, Look]] = {}
        self._subscribing: dict[str, Callable[[Call], Look]] = {
            "accountSubscribe": self._accounts,
            "logsSubscribe": self._logs,
            "signatureSubscribe": self._signatures,
            "slotSubscribe": self._slots,
        }

    def methods(self) -> list[str]:
        """The methods that subscribe."""
        return list(self._subscribing)

    def answer(self, method: str, params: list[Any]) -> int | bool:
        """Subscribes (returns the subscription's number) or unsubscribes (true); RpcError where it cannot."""
        subscribing = self._subscribing.get(method)
        with self._view.chain.lock:
            self._view.chain.tick()
            if subscribing is not None:
                if len(self._open) >= MAX_SUBSCRIPTIONS:
                    raise invalid_params(f"Too many subscriptions; max {MAX_SUBSCRIPTIONS}")
                look = subscribing(Call(self._view, method, params))
                self._next += 1
                self._open[self._next] = (method.removesuffix("Subscribe"), look)
                return self._next
            topic = method.removesuffix("Unsubscribe")
            if topic == method or f"{topic}Subscribe" not in self._subscribing:
                raise RpcError(METHOD_NOT_FOUND, "Method not found")
            number = Call(self._view, method, params).integer(0, "subscription")
            if self._open.get(number, ("", None))[0] != topic:
                raise invalid_params("Invalid subscription id.")
            del self._open[number]
            return True

    def news(self) -> Iterator[dict[str, Any]]:
        """The notifications that are due."""
        if not self._open:
            return
        with self._view.chain.lock:
            self._view.chain.tick()
            for number, (topic, look) in list(self._open.items()):
                found = look()
                if found.over:
                    del self._open[number]
                for result in found.results:
                    params = {"result": result, "subscription": number}
                    yield {"jsonrpc": "2.0", "method": f"{topic}Notification", "params": params}

    def _slots(self, call: Call) -> Look:
        view, reported = self._view, self._view.slot_at("processed")

        def look() -> News:
            nonlocal reported
            newest, root = view.slot_at("processed"), view.slot_at("finalized")
            first = max(reported + 1, newest - _MAX_SLOTS_REPORTED + 1)
            reported = max(reported, newest)
            behind = newest - root
            return News(
                [
                    {"parent": slot - 1, "root": slot - behind, "slot": slot}
                    for slot in range(first, newest + 1)
                ]
            )

        return look

    def _signatures(self, call: Call) -> Look:
        view, wanted, options = self._view, signature(call.take(0, "signature")), call.options(1)
        commitment = options.commitment()
        announce = options.flag("enableReceivedNotification")

        def look() -> News:
            nonlocal announce
            record = view.transaction(wanted) or view.recent_transaction(wanted)
            if record is None:
                return News([])
            results: list[Any] = []
            if announce:
                announce = False
                results.append(with_context(view.slot_at("processed"), "receivedSignature"))
            slot = view.slot_at(commitment)
            if record.slot > slot:
                return News(results)
            return News([*results, with_context(slot, {"err": record.err})], over=True)

        return look

    def _accounts(self, call: Call) -> Look:
        view, wanted, options = self._view, call.address(0), call.options(1)
        encoding = options.one_of("encoding", "binary", ACCOUNT_ENCODINGS)
        data_slice, commitment = options.data_slice(), options.commitment()
        reported = view.chain.accounts.at(wanted, view.slot_at(commitment))

        def look() -> News:
            nonlocal reported
            slot = view.slot_at(commitment)
            account = view.chain.accounts.at(wanted, slot)
            if account == reported:
                return News([])
            reported = account
            shape = AccountShape.of_slot(call, slot, encoding, data_slice)
            value = _closed(shape) if account is None else _open(shape, account, encoding)
            return News([with_context(slot, value)])

        return look

    def _logs(self, call: Call) -> Look:
        mentions = _mentions(call)
        commitment = call.options(1).commitment()
        seen = _Seen(self._view, commitment)

        def look() -> News:
            return News(
                [
                    with_context(
                        record.slot,
                        {
                            "signature": record.signature,
                            "err": record.err,
                            "logs": list(record.executed.logs),
                        },
                    )
                    for record in seen.new()
                    if mentions is None or mentions in record.decoded.keys
                ]
            )

        return look


class _Seen:
    """The transactions of a level, each once."""

    def __init__(self, view: View, commitment: CommitmentName) -> None:
        self._view = view
        self._commitment = commitment
        self._slot = view.slot_at(commitment)
        self._reported = {record.signature for record in view.chain.history.block(self._slot)}

    def new(self) -> list[TransactionRecord]:
        newest = self._view.slot_at(self._commitment)
        found = []
        for slot, records in self._view.chain.history.recent_blocks(self._slot):
            if slot <= newest:
                found += [record for record in records if record.signature not in self._reported]
        # The newest block may still grow: its reported transactions are remembered until it is complete.
        if newest != self._slot:
            self._reported.clear()
        self._reported.update(record.signature for record in found if record.slot == newest)
        self._slot = newest
        return found


def _mentions(call: Call) -> Pubkey | None:
    wanted = call.take(0, "filter")
    if wanted in ("all", "allWithVotes"):
        return None
    mentions = wanted.get("mentions") if isinstance(wanted, dict) else None
    if not isinstance(mentions, list) or len(mentions) != 1:
        raise invalid_params("Invalid Request: Only 1 address supported")
    return address(mentions[0])


def _open(shape: AccountShape, account: Account, encoding: str) -> dict[str, Any]:
    """An account as a subscriber gets it: where it is too long for base58, a text says so."""
    try:
        return shape.of(account)
    except RpcError:
        without = shape.of(
            Account(account.lamports, b"", account.owner, account.executable, account.rent_epoch)
        )
        data = _TOO_LONG if encoding == "binary" else [_TOO_LONG, encoding]
        return without | {"data": data, "space": len(account.data)}


def _closed(shape: AccountShape) -> dict[str, Any]:
    return shape.of(Account(0, b"", Pubkey.default(), False, 0))
