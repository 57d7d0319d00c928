"""The course of a delivery, call by call: when it looks, when it sends again, and what it says while it does not know."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc.client import Rpc, RpcOptions
from solpay_pipeline.chain.sending.broadcast import Fate, Receipt, Signed, broadcast
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline_tests.rooms.chain.scripted import Answer, FakeTime, ScriptedNode, error, result

pytestmark = pytest.mark.anyio

SIGNED = Signed("5" * 88, b"wire", last_valid_block_height=1_100, sent_slot=980)
FAILURE = {"InstructionError": [2, {"Custom": 1}]}


def statuses(*values: object) -> Answer:
    return result({"context": {"slot": 2_000}, "value": list(values)})


def status(level: str, err: object = None) -> dict[str, object]:
    return {"slot": 990, "confirmations": 1, "err": err, "confirmationStatus": level}


def transaction(fee: int, err: object = FAILURE) -> Answer:
    meta = {"err": err, "fee": fee, "preBalances": [], "postBalances": [], "logMessages": ["it failed"]}
    return result({"slot": 990, "meta": meta, "transaction": {"message": {"accountKeys": []}}})


def clocks(height: int, slot: int = 2_000) -> dict[str, Answer]:
    value = {"blockhash": str(Pubkey.default()), "lastValidBlockHeight": height + 150}
    return {
        "getBlockHeight": result(height),
        "getLatestBlockhash": result({"context": {"slot": slot}, "value": value}),
        "getSlot": result(slot),
    }


class Course:
    """One delivery against a scripted node: its receipt, its sleeps, and its calls with the time of each."""

    def __init__(self, **answers: Answer | list[Answer]) -> None:
        usual: dict[str, Answer | list[Answer]] = {
            "sendTransaction": result("accepted"),
            "getSignatureStatuses": statuses(None),
            "getHealth": result("ok"),
            "getFirstAvailableBlock": result(0),
        }
        self.answers = usual | clocks(1_000) | answers
        self.time = FakeTime()
        self.calls: list[tuple[str, float, Any]] = []
        self.receipts: list[Receipt] = []

    def _timed(self, name: str, answer: Answer) -> Answer:
        def answered(request: dict[str, Any]) -> Any:
            self.calls.append((name, round(self.time.now - 1_000, 3), request.get("params")))
            return answer(request)

        return answered

    async def run(
        self,
        patience: float,
        *signed: Signed,
        commitment: Commitment = Commitment.CONFIRMED,
        on_receipts: Callable[[Sequence[Receipt]], None] | None = None,
        **more: Any,
    ) -> Receipt:
        """The receipt of the only transaction, or of the first."""
        script = {
            name: [self._timed(name, one) for one in (answer if isinstance(answer, list) else [answer])]
            for name, answer in self.answers.items()
        }
        sleep: Callable[[float], Awaitable[None]] = self.time.sleep
        own_time = FakeTime()
        async with (
            ScriptedNode(**script) as node,
            Rpc(
                [node.endpoint()],
                RpcOptions(retry_window_seconds=0.01),
                clock=self.time.clock,
                sleep=own_time.sleep,
            ) as rpc,
        ):
            found = await broadcast(
                rpc,
                signed or [SIGNED],
                commitment=commitment,
                patience_seconds=patience,
                clock=self.time.clock,
                sleep=sleep,
                on_receipts=on_receipts or self.receipts.extend,
                **more,
            )
        assert sorted(found) == sorted(each.signature for each in signed or [SIGNED])
        return found[(signed or [SIGNED])[0].signature]

    def times(self, method: str) -> list[float]:
        return [when for name, when, _ in self.calls if name == method]

    def asked(self, method: str) -> list[Any]:
        return [params for name, _, params in self.calls if name == method]


async def test_polls_come_quickly_and_then_ever_slower_until_patience_ends() -> None:
    course = Course()
    receipt = await course.run(10.0)
    assert receipt.fate is Fate.IN_FLIGHT
    assert [round(seconds, 3) for seconds in course.time.slept] == [
        0.3,
        *[0.4] * 4,
        0.6,
        0.9,
        1.35,
        2.0,
        2.0,
        1.25,
    ]
    assert len(course.asked("getSignatureStatuses")) == len(course.time.slept)


async def test_what_no_node_knows_is_sent_again_every_two_seconds() -> None:
    course = Course()
    await course.run(8.0)
    assert course.times("sendTransaction") == [0.0, 2.5, 4.75, 6.75]
    assert {params[1]["preflightCommitment"] for params in course.asked("sendTransaction")} == {"confirmed"}
    assert {params[0]["commitment"] for params in course.asked("getBlockHeight")} == {"confirmed"}


async def test_the_pause_between_two_sends_can_be_asked_for() -> None:
    course = Course()
    await course.run(2.0, resend_seconds=0.65)
    assert course.times("sendTransaction") == [0.0, 0.7, 1.5]


@pytest.mark.parametrize(("asked", "named"), [("processed", "processed"), ("finalized", "confirmed")])
async def test_preflight_runs_no_later_than_at_confirmed(asked: str, named: str) -> None:
    course = Course()
    await course.run(0.2, commitment=Commitment(asked))
    [params] = course.asked("sendTransaction")
    assert params[1]["preflightCommitment"] == named


async def test_what_a_node_knows_is_not_sent_again() -> None:
    course = Course(getSignatureStatuses=statuses(status("processed")))
    receipt = await course.run(6.0)
    assert course.times("sendTransaction") == [0.0]
    assert course.asked("getBlockHeight") == []
    assert (receipt.fate, receipt.slot, receipt.err) == (Fate.IN_FLIGHT, 990, None)
    assert receipt.reason == "seen at processed, not yet at confirmed"


async def test_without_patience_nothing_is_sent() -> None:
    course = Course()
    receipt = await course.run(0.0)
    assert (receipt.fate, receipt.reason) == (Fate.IN_FLIGHT, "it has not been sent to any node yet")
    assert (course.calls, course.time.slept) == ([], [])


async def test_history_is_searched_from_the_start_for_what_an_earlier_run_left() -> None:
    course = Course()
    await course.run(1.0, already_sent=True)
    assert course.calls[0][0] == "getSignatureStatuses"
    assert {params[1]["searchTransactionHistory"] for params in course.asked("getSignatureStatuses")} == {
        True
    }
    assert course.times("sendTransaction") == [0.0]


async def test_history_is_searched_once_the_blockhash_is_over_and_not_before() -> None:
    course = Course(**clocks(1_101))
    await course.run(4.0)
    searched = [params[1]["searchTransactionHistory"] for params in course.asked("getSignatureStatuses")]
    assert searched[0] is False
    assert searched[-1] is True
    assert course.times("sendTransaction") == [0.0]


@pytest.mark.parametrize(("height", "sends"), [(1_100, 2), (1_101, 1)])
async def test_the_same_bytes_are_sent_until_the_last_valid_height_has_passed(
    height: int, sends: int
) -> None:
    course = Course(**clocks(height))
    await course.run(2.6)
    assert len(course.asked("sendTransaction")) == sends


async def test_a_verdict_is_asked_for_no_more_often_than_every_two_seconds() -> None:
    course = Course(**clocks(1_102))
    receipt = await course.run(9.0)
    times = course.times("getLatestBlockhash")
    assert len(times) > 2
    assert all(later - earlier >= 2.0 for earlier, later in pairwise(times))
    assert receipt.fate is Fate.IN_FLIGHT
    assert receipt.reason == "it may still land: its blockhash has not expired in a finalized block yet"


async def test_what_is_dead_by_the_rule_is_called_dead_with_no_error_of_its_own() -> None:
    course = Course(**clocks(1_105))
    receipt = await course.run(60.0)
    assert receipt == Receipt(SIGNED.signature, Fate.DEAD)
    assert course.receipts == [receipt]


async def test_a_node_that_is_not_healthy_kills_nothing_and_the_reason_says_so() -> None:
    course = Course(**clocks(1_105), getHealth=error(-32005, "behind", {"numSlotsBehind": 9}))
    receipt = await course.run(4.0)
    assert receipt.fate is Fate.IN_FLIGHT
    assert receipt.reason is not None
    assert receipt.reason.startswith("its blockhash has expired, but it cannot be called dead: ")
    assert "not healthy" in receipt.reason


async def test_a_node_that_cannot_be_asked_leaves_everything_in_flight_with_its_words() -> None:
    course = Course(getSignatureStatuses=error(-32601, "no such method"))
    receipt = await course.run(1.0)
    assert (receipt.fate, receipt.slot, receipt.err, receipt.fee) == (Fate.IN_FLIGHT, None, None, None)
    assert receipt.reason is not None
    assert "no such method" in receipt.reason
    heightless = Course(getBlockHeight=error(-32601, "no height today"))
    receipt = await heightless.run(3.0)
    assert "no height today" in (receipt.reason or "")
    assert heightless.times("sendTransaction") == [0.0]


async def test_what_a_node_has_taken_and_nobody_has_seen_is_called_so() -> None:
    receipt = await Course().run(0.2)
    assert receipt.reason == "a node has taken it, but it has not been seen to land"


@pytest.mark.parametrize("code", [-32003, -32006, -32013])
async def test_bytes_that_are_no_transaction_are_refused_at_once(code: int) -> None:
    course = Course(sendTransaction=error(code, "malformed"))
    receipt = await course.run(5.0)
    assert (receipt.fate, receipt.reason) == (Fate.REFUSED, None)
    assert "malformed" in (receipt.err or "")
    assert course.time.slept == []
    assert course.receipts == [receipt]


async def test_any_other_refusal_proves_nothing() -> None:
    course = Course(sendTransaction=[error(-32602, "some other reason"), error(-32602, "malformed")])
    receipt = await course.run(3.0)
    assert receipt.fate is Fate.IN_FLIGHT
    assert len(course.asked("sendTransaction")) == 2
    assert "malformed" in (receipt.reason or "")


def preflight(err: object) -> Answer:
    return error(-32002, "simulation failed", {"err": err, "logs": ["a log line"], "unitsConsumed": 5})


async def test_a_failed_preflight_refuses_with_its_error_its_logs_and_its_instruction() -> None:
    course = Course(sendTransaction=preflight(FAILURE))
    receipt = await course.run(5.0)
    assert receipt.fate is Fate.REFUSED
    assert (receipt.err, receipt.logs) == ('{"InstructionError":[2,{"Custom":1}]}', ("a log line",))
    assert (receipt.failed_instruction, receipt.slot, receipt.fee) == (2, None, None)


@pytest.mark.parametrize("err", ["AlreadyProcessed", "BlockhashNotFound"])
async def test_two_preflight_failures_say_nothing_of_the_transaction(err: str) -> None:
    course = Course(sendTransaction=preflight(err))
    receipt = await course.run(3.0)
    assert (receipt.fate, receipt.err) == (Fate.IN_FLIGHT, None)
    assert receipt.reason == f'preflight failed: "{err}"'
    assert len(course.asked("sendTransaction")) == 2


@pytest.mark.parametrize(
    ("first", "fate"), [("AlreadyProcessed", Fate.IN_FLIGHT), ("BlockhashNotFound", Fate.REFUSED)]
)
async def test_only_what_never_left_can_still_be_refused(first: str, fate: Fate) -> None:
    course = Course(sendTransaction=[preflight(first), preflight(FAILURE)])
    assert (await course.run(3.0)).fate is fate


async def test_what_was_seen_once_cannot_be_refused_when_it_is_forgotten() -> None:
    course = Course(
        sendTransaction=[preflight("BlockhashNotFound"), preflight(FAILURE)],
        getSignatureStatuses=[statuses(status("processed")), statuses(None)],
    )
    assert (await course.run(3.0)).fate is Fate.IN_FLIGHT


@pytest.mark.parametrize(
    ("level", "asked", "fate"),
    [
        ("processed", "processed", Fate.CONFIRMED),
        ("confirmed", "confirmed", Fate.CONFIRMED),
        ("finalized", "confirmed", Fate.FINALIZED),
        ("finalized", "finalized", Fate.FINALIZED),
        ("confirmed", "finalized", Fate.IN_FLIGHT),
    ],
)
async def test_landing_counts_from_the_commitment_that_was_asked_for(
    level: str, asked: str, fate: Fate
) -> None:
    course = Course(getSignatureStatuses=statuses(status(level)))
    receipt = await course.run(0.5, commitment=Commitment(asked))
    assert (receipt.fate, receipt.slot) == (fate, 990)


async def test_a_failure_that_is_not_final_is_in_flight_with_its_error() -> None:
    course = Course(getSignatureStatuses=statuses(status("confirmed", FAILURE)))
    receipt = await course.run(0.5)
    assert (receipt.fate, receipt.failed_instruction) == (Fate.IN_FLIGHT, 2)
    assert receipt.err == '{"InstructionError":[2,{"Custom":1}]}'
    assert receipt.reason == "failed at confirmed, which is not final"
    assert course.asked("getTransaction") == []


async def test_a_final_failure_that_paid_is_failed_with_its_logs_and_its_fee() -> None:
    course = Course(
        getSignatureStatuses=statuses(status("finalized", FAILURE)), getTransaction=transaction(5_000)
    )
    receipt = await course.run(5.0)
    assert (receipt.fate, receipt.fee, receipt.logs, receipt.slot) == (
        Fate.FAILED,
        5_000,
        ("it failed",),
        990,
    )
    assert (receipt.failed_instruction, receipt.reason) == (2, None)
    assert course.asked("getTransaction")[0][1]["commitment"] == "finalized"


async def test_the_smallest_fee_makes_a_final_failure_final() -> None:
    paid = Course(getSignatureStatuses=statuses(status("finalized", FAILURE)), getTransaction=transaction(1))
    assert (await paid.run(1.0)).fate is Fate.FAILED
    free = Course(getSignatureStatuses=statuses(status("finalized", FAILURE)), getTransaction=transaction(0))
    receipt = await free.run(1.0)
    assert (receipt.fate, receipt.fee) == (Fate.IN_FLIGHT, None)
    assert len(free.asked("getTransaction")) == 1


@pytest.mark.parametrize("answer", [result(None), transaction(5_000, err=None), error(-32603, "not here")])
async def test_a_failure_whose_fee_nobody_tells_is_asked_about_again(answer: Answer) -> None:
    course = Course(
        getSignatureStatuses=statuses(status("finalized", FAILURE)),
        getTransaction=[answer, transaction(5_000)],
    )
    assert (await course.run(5.0)).fate is Fate.FAILED
    assert len(course.asked("getTransaction")) == 2


async def test_transactions_are_told_apart_and_looked_for_together() -> None:
    other = Signed("4" * 88, b"other", 1_100, 980)
    course = Course(getSignatureStatuses=[statuses(None, status("confirmed")), statuses(None)])
    batches: list[list[str]] = []
    receipt = await course.run(
        1.0, SIGNED, other, on_receipts=lambda told: batches.append([one.signature for one in told])
    )
    assert receipt.fate is Fate.IN_FLIGHT
    assert batches == [[other.signature], [SIGNED.signature]]
    assert [params[0] for params in course.asked("getSignatureStatuses")] == [
        [SIGNED.signature, other.signature],
        [SIGNED.signature],
        [SIGNED.signature],
    ]


async def test_what_nobody_would_sign_today_is_looked_for_and_never_sent() -> None:
    old = replace(SIGNED, may_be_resent=False)
    course = Course()
    receipt = await course.run(5.0, old, already_sent=True)
    assert course.asked("sendTransaction") == []
    # The height, which tells whether it may still land, is asked for as rarely as others are sent.
    assert course.times("getBlockHeight") == [0.0, 2.5, 4.75]
    assert receipt.fate is Fate.IN_FLIGHT
    assert (
        receipt.reason == "it may still land, but it is not what would be signed today, and is not sent again"
    )
    landed = Course(getSignatureStatuses=statuses(status("confirmed")))
    assert (await landed.run(5.0, old, already_sent=True)).fate is Fate.CONFIRMED
    dead = Course(**clocks(1_105))
    assert (await dead.run(5.0, old, already_sent=True)).fate is Fate.DEAD


async def test_a_send_whose_answer_is_none_leaves_it_in_flight_with_that_reason() -> None:
    course = Course(sendTransaction=result(5))
    receipt = await course.run(0.2)
    assert receipt.fate is Fate.IN_FLIGHT
    assert "cannot be read" in (receipt.reason or "")


@pytest.mark.parametrize(
    "answer",
    [
        error(-32602, "malformed"),
        error(-32602, "malformed", status=504),
        error(-32003, "signature verification failed", status=500),
        error(-32003, "signature verification failed", status=408),
        error(-32000, "nobody knows"),
    ],
    ids=["200", "504", "500", "408", "unknown"],
)
async def test_what_only_a_node_or_a_program_did_not_say_itself_may_have_left(answer: Answer) -> None:
    course = Course(
        sendTransaction=answer, getSignatureStatuses=[statuses(None), statuses(status("confirmed"))]
    )
    assert (await course.run(5.0)).fate is Fate.CONFIRMED


@pytest.mark.parametrize("answer", [error(-32003, "malformed"), preflight(FAILURE)])
async def test_what_an_earlier_run_left_is_never_called_refused(answer: Answer) -> None:
    course = Course(sendTransaction=answer)
    assert (await course.run(1.0, already_sent=True)).fate is Fate.IN_FLIGHT
    assert len(course.asked("sendTransaction")) == 1


async def test_half_of_the_time_that_sending_took_is_not_waited_for_again() -> None:
    course = Course()

    def slowly(request: dict[str, Any]) -> Any:
        course.time.now += 0.4
        return result("accepted")(request)

    course.answers["sendTransaction"] = slowly
    await course.run(1.5)
    assert [round(seconds, 3) for seconds in course.time.slept] == [0.1, 0.4, 0.4, 0.2]


async def test_a_failure_that_cannot_be_read_is_in_flight_in_the_nodes_words() -> None:
    course = Course(
        getSignatureStatuses=statuses(status("finalized", FAILURE)), getTransaction=error(-32601, "not here")
    )
    receipt = await course.run(0.5)
    assert receipt.fate is Fate.IN_FLIGHT
    assert "not here" in (receipt.reason or "")


async def test_the_bytes_of_a_transaction_are_in_no_repr() -> None:
    assert "wire" not in repr(SIGNED)
