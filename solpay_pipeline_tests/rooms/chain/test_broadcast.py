"""Delivery against a chain that loses, delays, fails and forks: one landing for each, and only true receipts."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import SecretStr
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from solpay_pipeline.chain.rpc.client import Endpoint, Rpc, RpcOptions
from solpay_pipeline.chain.sending.broadcast import Fate, Receipt, Signed, broadcast
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.server.faults import Fault, FaultKind
from solpay_pipeline.localnet.server.node import Node
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline_tests.rooms.chain.scripted import FakeTime, Reply, ScriptedNode, result

pytestmark = pytest.mark.anyio

CONFIRMED = Commitment.CONFIRMED
FINALIZED = Commitment.FINALIZED
SEND = frozenset({"sendTransaction"})


@dataclass
class Post:
    """A node, a client and a payer, in a time that only waiting moves."""

    node: Node
    rpc: Rpc
    time: FakeTime
    payer: Keypair
    receipts: list[Receipt] = field(default_factory=list)

    async def signed(self, count: int = 1, lamports: int = 10**9) -> list[Signed]:
        """Transfers to strangers, signed with a fresh blockhash."""
        recent = await self.rpc.latest_blockhash(CONFIRMED)
        return [
            self.sign(recent.blockhash, recent.last_valid_block_height, recent.slot, lamports)
            for _ in range(count)
        ]

    def sign(self, blockhash: Hash, last_valid: int, slot: int, lamports: int = 10**9) -> Signed:
        """A transfer to a stranger."""
        moved = TransferParams(
            from_pubkey=self.payer.pubkey(), to_pubkey=Keypair().pubkey(), lamports=lamports
        )
        message = MessageV0.try_compile(self.payer.pubkey(), [transfer(moved)], [], blockhash)
        sent = VersionedTransaction(message, [self.payer])
        return Signed(str(sent.signatures[0]), bytes(sent), last_valid, slot)

    async def broadcast(
        self, signed: list[Signed] | AsyncIterator[Signed], *, patience: float = 20.0, **how: Any
    ) -> dict[str, Receipt]:
        usual: dict[str, Any] = {
            "commitment": CONFIRMED,
            "on_receipts": self.receipts.extend,
            "sleep": self.time.sleep,
        }
        self.rpc.calls.clear()
        return await broadcast(
            self.rpc, signed, patience_seconds=patience, clock=self.time.clock, **(usual | how)
        )

    async def one(self, **how: Any) -> Receipt:
        """Deliver one good transaction."""
        signed = await self.signed()
        (receipt,) = (await self.broadcast(signed, **how)).values()
        return receipt

    def spent(self) -> int:
        """Lamports the payer has spent, fees left out."""
        account = self.node.chain.accounts.newest(self.payer.pubkey())
        return (10**12 - (account.lamports if account else 0)) // 10**9 * 10**9

    def fault(self, kind: FaultKind, **how: Any) -> Fault:
        return self.node.faults.add(Fault(kind, **{"methods": SEND} | how))


def damaged(good: Signed) -> Signed:
    """The same message under a signature that is wrong."""
    wire = good.wire[:10] + bytes([good.wire[10] ^ 1]) + good.wire[11:]
    return Signed(good.signature, wire, good.last_valid_block_height, good.sent_slot)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with running(Chain(ChainConfig(clock="manual", confirmed_lag=2))) as node:
        yield node


@pytest.fixture
async def post(node: Node) -> AsyncIterator[Post]:
    async with opened(node) as post:
        yield post


@asynccontextmanager
async def opened(node: Node, **options: Any) -> AsyncIterator[Post]:
    node.faults.clear()
    payer = Keypair()
    node.chain.airdrop(payer.pubkey(), 10**12)
    node.chain.advance(3)
    time = FakeTime(chain=node.chain)
    endpoint = Endpoint(SecretStr(node.url))
    async with Rpc([endpoint], RpcOptions(**options), clock=time.clock, sleep=time.sleep) as rpc:
        yield Post(node, rpc, time, payer)


async def test_what_is_sent_is_confirmed_within_three_polls(post: Post) -> None:
    signed = await post.signed(20)
    receipts = await post.broadcast(signed)
    assert {receipt.fate for receipt in receipts.values()} == {Fate.CONFIRMED}
    assert list(receipts) == [receipt.signature for receipt in post.receipts]
    assert post.rpc.calls["sendTransaction"] == 20
    assert post.rpc.calls["getSignatureStatuses"] <= 3
    assert post.rpc.calls.total() <= 0.4 * 5 * 20
    assert post.spent() == 20 * 10**9


async def test_finality_can_be_waited_for(post: Post) -> None:
    assert (await post.one(commitment=FINALIZED, patience=60.0)).fate is Fate.FINALIZED
    assert post.rpc.calls["getSignatureStatuses"] <= 15
    assert post.rpc.calls["sendTransaction"] == 1


@pytest.mark.parametrize("kind", ["drop_after", "truncate", "wrong_id"])
async def test_a_send_whose_answer_is_lost_is_found_by_its_signature(post: Post, kind: FaultKind) -> None:
    post.fault(kind, times=1)
    assert (await post.one()).fate is Fate.CONFIRMED
    assert post.spent() == 10**9


@pytest.mark.parametrize(
    "kind", ["drop_before", "server_error", "rate_limit", "rate_limit_body", "node_behind", "swallow"]
)
async def test_a_send_that_went_nowhere_is_sent_again(post: Post, kind: FaultKind) -> None:
    post.fault(kind, times=1)
    assert (await post.one()).fate is Fate.CONFIRMED
    assert post.rpc.calls["sendTransaction"] == 2
    assert post.spent() == 10**9


async def test_a_send_that_always_loses_its_answer_lands_once(post: Post) -> None:
    post.fault("drop_after")
    assert (await post.one()).fate is Fate.CONFIRMED
    assert post.spent() == 10**9


async def test_what_lands_late_is_waited_for_and_not_called_dead(post: Post) -> None:
    post.fault("land_late", slots=100)
    assert (await post.one(patience=80.0)).fate is Fate.CONFIRMED
    assert post.spent() == 10**9


async def test_what_never_lands_is_dead_only_after_its_blockhash_expired_for_good(post: Post) -> None:
    post.fault("swallow")
    signed = await post.signed()
    (receipt,) = (await post.broadcast(signed, patience=200.0)).values()
    assert receipt.fate is Fate.DEAD
    assert (
        post.node.chain.block_height(post.node.chain.slot_at("finalized")) > signed[0].last_valid_block_height
    )
    assert post.spent() == 0


async def test_a_short_patience_leaves_it_in_flight_with_a_reason(post: Post) -> None:
    post.fault("swallow")
    signed = await post.signed()
    (receipt,) = (await post.broadcast(signed, patience=5.0)).values()
    assert receipt.fate is Fate.IN_FLIGHT
    assert receipt.reason
    post.node.faults.clear()
    (again,) = (await post.broadcast(signed, already_sent=True)).values()
    assert again.fate is Fate.CONFIRMED
    assert post.spent() == 10**9


async def test_what_an_earlier_run_landed_is_found_without_another_send(post: Post) -> None:
    signed = await post.signed(3)
    await post.broadcast(signed)
    post.node.chain.advance(400)
    receipts = await post.broadcast(signed, already_sent=True)
    assert {receipt.fate for receipt in receipts.values()} == {Fate.FINALIZED}
    assert post.rpc.calls == {"getSignatureStatuses": 1}


async def test_what_an_earlier_run_never_landed_is_called_dead_at_once(post: Post) -> None:
    signed = await post.signed(3)
    post.node.chain.advance(400)
    receipts = await post.broadcast(signed, already_sent=True)
    assert {receipt.fate for receipt in receipts.values()} == {Fate.DEAD}
    assert post.rpc.calls["sendTransaction"] == 0
    assert post.time.slept == []


async def test_a_transaction_that_cannot_succeed_is_refused_with_its_error_and_never_leaves(
    post: Post,
) -> None:
    signed = await post.signed(lamports=10**15)
    (receipt,) = (await post.broadcast(signed)).values()
    assert receipt.fate is Fate.REFUSED
    assert receipt.err == '{"InstructionError":[0,{"Custom":1}]}'
    assert receipt.failed_instruction == 0
    assert receipt.logs
    assert post.rpc.calls == {"sendTransaction": 1}


async def test_a_signature_that_is_wrong_is_refused(post: Post) -> None:
    (good,) = await post.signed()
    (receipt,) = (await post.broadcast([damaged(good)])).values()
    assert receipt.fate is Fate.REFUSED
    assert receipt.err


async def test_a_refusal_after_a_send_that_may_have_left_is_not_believed(post: Post) -> None:
    post.fault("drop_before", times=1)
    signed = await post.signed(lamports=10**15)
    (receipt,) = (await post.broadcast(signed, patience=10.0)).values()
    assert receipt.fate is Fate.IN_FLIGHT
    assert "preflight" in (receipt.reason or "")


async def test_a_wrong_signature_is_not_refused_once_it_may_have_left(post: Post) -> None:
    post.fault("drop_before", times=1)
    (good,) = await post.signed()
    (receipt,) = (await post.broadcast([damaged(good)], patience=5.0)).values()
    assert receipt.fate is Fate.IN_FLIGHT


async def test_a_blockhash_that_the_node_does_not_know_yet_is_waited_for(post: Post) -> None:
    blockhash, last_valid = post.node.chain.latest_blockhash("processed")
    signed = post.sign(blockhash, last_valid, post.node.chain.slot_at("processed"))
    (receipt,) = (await post.broadcast([signed])).values()
    assert receipt.fate is Fate.CONFIRMED
    assert post.rpc.calls["sendTransaction"] == 2


async def test_what_has_landed_before_is_found_although_the_node_refuses_to_process_it_again(
    post: Post,
) -> None:
    signed = await post.signed()
    await post.broadcast(signed)
    (receipt,) = (await post.broadcast(signed)).values()
    assert receipt.fate is Fate.CONFIRMED
    assert post.spent() == 10**9


async def test_a_final_failure_without_a_fee_is_waited_out_until_its_blockhash_has_expired() -> None:
    time = FakeTime()
    failed = {
        "slot": 990,
        "confirmations": None,
        "err": "InsufficientFundsForFee",
        "confirmationStatus": "finalized",
    }
    meta = {"err": "InsufficientFundsForFee", "fee": 0, "preBalances": [], "postBalances": []}

    def height() -> int:
        return 1_000 + int((time.now - 1_000) / 0.4)

    def now(request: dict[str, Any]) -> Reply:
        return result(height())(request)

    def blockhash(request: dict[str, Any]) -> Reply:
        value = {"blockhash": str(Pubkey.default()), "lastValidBlockHeight": height() + 150}
        return result({"context": {"slot": height()}, "value": value})(request)

    def statuses(request: dict[str, Any]) -> Reply:
        return result({"context": {"slot": height()}, "value": [failed]})(request)

    async with (
        ScriptedNode(
            sendTransaction=result("accepted"),
            getSignatureStatuses=statuses,
            getTransaction=result(
                {"slot": 990, "meta": meta, "transaction": {"message": {"accountKeys": []}}}
            ),
            getLatestBlockhash=blockhash,
            getBlockHeight=now,
            getSlot=now,
            getHealth=result("ok"),
            getFirstAvailableBlock=result(0),
        ) as node,
        Rpc([node.endpoint()], clock=time.clock, sleep=time.sleep) as rpc,
    ):
        signed = Signed("5" * 88, b"wire", last_valid_block_height=1_100, sent_slot=980)
        (receipt,) = (
            await broadcast(
                rpc, [signed], commitment=CONFIRMED, patience_seconds=90.0, clock=time.clock, sleep=time.sleep
            )
        ).values()
    assert receipt.fate is Fate.DEAD
    assert height() > 1_104


async def test_a_failure_on_chain_is_failed_only_when_final(post: Post) -> None:
    post.fault("land_failed")
    signed = await post.signed()
    (receipt,) = (await post.broadcast(signed, patience=3.0)).values()
    assert receipt.fate is Fate.IN_FLIGHT
    assert receipt.err == '{"InstructionError":[0,{"Custom":1}]}'
    assert post.rpc.calls["getTransaction"] == 0
    (receipt,) = (await post.broadcast(signed, patience=60.0, already_sent=True)).values()
    assert receipt.fate is Fate.FAILED
    assert (receipt.fee, receipt.failed_instruction) == (5_000, 0)
    assert receipt.slot is not None
    assert post.spent() == 0


async def test_what_a_fork_takes_back_is_sent_again(post: Post) -> None:
    forgotten: list[str] = []

    async def sleep(seconds: float) -> None:
        await post.time.sleep(seconds)
        if post.time.now > 1_003 and not forgotten:
            forgotten.extend(post.node.chain.fork())

    post.node.chain.advance(40)
    receipt = await post.one(patience=60.0, commitment=FINALIZED, sleep=sleep)
    assert receipt.fate is Fate.FINALIZED
    assert forgotten == [receipt.signature]
    assert post.rpc.calls["sendTransaction"] == 2
    assert post.spent() == 10**9


async def test_a_storm_of_refusals_delays_but_loses_and_doubles_nothing(post: Post) -> None:
    everything = {"methods": None, "probability": 0.15}
    for kind in (
        "rate_limit",
        "rate_limit_body",
        "node_behind",
        "server_error",
        "truncate",
        "wrong_id",
        "drop_after",
    ):
        post.fault(kind, **everything)
    post.node.faults.add(Fault("rate_limit", probability=0.05, retry_after=2))
    recent = await post.signed(30)
    receipts = await post.broadcast(recent, patience=400.0)
    assert {receipt.fate for receipt in receipts.values()} <= {
        Fate.CONFIRMED,
        Fate.FINALIZED,
        Fate.IN_FLIGHT,
        Fate.DEAD,
    }
    landed = sum(receipt.fate in (Fate.CONFIRMED, Fate.FINALIZED) for receipt in receipts.values())
    post.node.faults.clear()
    again = await post.broadcast(recent, patience=200.0, already_sent=True)
    assert post.spent() == sum(r.fate in (Fate.CONFIRMED, Fate.FINALIZED) for r in again.values()) * 10**9
    assert landed >= 20


async def test_a_receipt_that_cannot_be_written_down_stops_the_delivery_when_all_sends_are_over(
    post: Post,
) -> None:
    def broken(receipts: Sequence[Receipt]) -> None:
        raise RuntimeError("the database is gone")

    signed = await post.signed(5)
    with pytest.raises(RuntimeError, match="database"):
        await post.broadcast(signed, on_receipts=broken)
    assert post.rpc.calls["sendTransaction"] == 5


async def test_each_is_sent_while_the_next_is_made(post: Post) -> None:
    signed = await post.signed(3)
    sent_by_then: list[int] = []

    async def made() -> AsyncIterator[Signed]:
        for each in signed:
            yield each
            await asyncio.sleep(0.1)
            sent_by_then.append(post.rpc.calls["sendTransaction"])

    receipts = await post.broadcast(made())
    assert sent_by_then == [1, 2, 3]
    assert [receipts[each.signature].fate for each in signed] == [Fate.CONFIRMED] * 3


async def test_where_the_making_fails_what_was_made_before_is_sent_all_the_same(post: Post) -> None:
    signed = await post.signed(2)

    async def made() -> AsyncIterator[Signed]:
        for each in signed:
            yield each
        raise RuntimeError("the signer is away")

    with pytest.raises(RuntimeError, match="signer"):
        await post.broadcast(made())
    post.node.chain.advance(3)
    landed = await post.rpc.statuses([each.signature for each in signed])
    assert [status is not None and status.err for status in landed.statuses] == [None, None]
