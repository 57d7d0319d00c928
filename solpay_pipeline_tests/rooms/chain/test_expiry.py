"""The rule that stands between us and paying twice: dead needs every piece of evidence, from every provider needed."""

import dataclasses
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc.answers import SignatureStatus
from solpay_pipeline.chain.rpc.client import Rpc, RpcOptions
from solpay_pipeline.chain.rpc.failover import GENESIS
from solpay_pipeline.chain.sending.expiry import (
    Alive,
    Claim,
    Clocks,
    Dead,
    Evidence,
    Unknown,
    Verdict,
    agreed,
    judge,
    verdicts,
)
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline_tests.rooms.chain.scripted import Answer, Reply, ScriptedNode, error, result, verbatim

SIGNATURE = "5" * 88
LAST_VALID = 10_000
SENT_SLOT = 9_900
FAILED = {"InstructionError": [0, {"Custom": 1}]}

# Numbers are drawn around the places where the rule changes its mind.
heights = st.one_of(st.integers(LAST_VALID - 5, LAST_VALID + 12), st.integers(0, 30_000))
slots = st.one_of(st.integers(LAST_VALID - 5, LAST_VALID + 200), st.integers(0, 50_000))
confirmations = st.sampled_from(Commitment)
statuses = st.one_of(
    st.none(),
    st.builds(SignatureStatus, slots, confirmations),
    st.builds(SignatureStatus, slots, confirmations, st.just("{}"), st.just(FAILED)),
)
evidences = st.builds(
    Evidence,
    claim=st.builds(
        Claim,
        st.just(SIGNATURE),
        st.just(LAST_VALID),
        st.one_of(st.none(), st.integers(SENT_SLOT - 50, SENT_SLOT + 50)),
    ),
    clocks=st.builds(
        lambda height, distance, slot, mainnet: Clocks(height + distance, height, slot, mainnet),
        heights,
        st.one_of(st.integers(1, 151), st.integers(-5, 400)),
        slots,
        st.sampled_from([False, False, True]),
    ),
    status=statuses,
    status_slot=slots,
    healthy=st.booleans(),
    first_available_slot=st.one_of(st.just(0), st.integers(SENT_SLOT - 60, SENT_SLOT + 60)),
    fee=st.sampled_from([None, 0, 5_000]),
)
opinions = st.lists(
    st.sampled_from(
        [
            Dead(1),
            Dead(2),
            Alive(None),
            Alive(SignatureStatus(1, Commitment.PROCESSED)),
            Unknown("a"),
            Unknown("b"),
        ]
    ),
    max_size=4,
)


@given(evidences)
def test_a_verdict_of_dead_had_every_condition_of_the_rule(evidence: Evidence) -> None:
    if not isinstance(judge(evidence), Dead):
        return
    clocks, claim = evidence.clocks, evidence.claim
    assert clocks.height > claim.last_valid_block_height
    assert 0 < clocks.blockhash_last_valid - clocks.height <= 151
    assert not clocks.is_mainnet, "heights this low are slots on mainnet"
    assert evidence.healthy
    assert evidence.status_slot >= clocks.slot
    assert evidence.first_available_slot <= (claim.sent_slot or 0)
    if evidence.status is not None:
        assert evidence.status.err is not None
        assert evidence.status.confirmation is Commitment.FINALIZED
        assert evidence.fee == 0


@given(evidences)
def test_what_has_landed_is_alive_whatever_the_clocks_say(evidence: Evidence) -> None:
    if evidence.status is not None and evidence.status.err is None:
        assert judge(evidence) == Alive(evidence.status)


@given(opinions)
def test_death_is_testified_by_one_and_denied_by_none(each: list[Verdict]) -> None:
    verdict = agreed(each)
    if isinstance(verdict, Dead):
        assert any(isinstance(one, Dead) for one in each)
        assert not any(isinstance(one, Alive) for one in each)
    if any(isinstance(one, Alive) and one.status for one in each):
        assert isinstance(verdict, Alive)
        assert verdict.status is not None


GOOD = Evidence(
    Claim(SIGNATURE, LAST_VALID, SENT_SLOT),
    Clocks(LAST_VALID + 155, LAST_VALID + 5, LAST_VALID + 10),
    status=None,
    status_slot=LAST_VALID + 40,
    healthy=True,
    first_available_slot=SENT_SLOT,
)


class World:
    """One schedule: a chain that skips slots, a transaction that lands or not, and a node that sees it all its own way."""

    def __init__(self, seed: int) -> None:
        die = self.die = random.Random(seed)
        self.skipped = die.choice([0, 3, 700, 5_000])
        self.signed_at = 20_000 + die.randrange(1_000)
        self.last_valid = self.height(self.signed_at) + 150
        # A transaction may land in its blockhash's last block, and be seen only when that is finalized.
        self.landed_at = die.choice(
            [None, self.signed_at + 1, self.signed_at + 150, self.signed_at + die.randrange(1, 151)]
        )
        self.slot = self.signed_at + die.choice([100, 150, 182, 183, 186, 190, 200, 220, 500])

    def height(self, slot: int) -> int:
        return slot - self.skipped

    def evidence(self) -> Evidence:
        """What a node says that is late, forgetful, ill or a liar; a pool of nodes may answer each call by another."""
        die, lies = self.die, self.die.random() < 0.3
        answered_by = [die.choice([0, 0, 0, 10, 150, 400]) for _ in range(3)]
        finalized = self.slot - answered_by[0] - 32
        height = finalized + 1_000 * self.skipped if lies and self.skipped > 302 else self.height(finalized)
        self.slot += die.randrange(3)
        seen = self.slot - answered_by[1]
        oldest = die.choice([0, self.signed_at, self.signed_at, self.signed_at + 1, self.slot - 40])
        known = self.landed_at is not None and oldest <= self.landed_at <= seen
        status = SignatureStatus(self.landed_at or 0, Commitment.CONFIRMED) if known else None
        last_valid = height + die.choice([150, 150, 150, 149, 140])
        return Evidence(
            Claim(SIGNATURE, self.last_valid, self.signed_at),
            Clocks(last_valid, height, finalized),
            status,
            seen,
            die.random() < 0.9,
            oldest,
        )


def test_ten_thousand_schedules_of_late_forgetful_and_lying_nodes_bring_no_false_death() -> None:
    dead = landed = 0
    for seed in range(10_000):
        world = World(seed)
        verdict = judge(world.evidence())
        if isinstance(verdict, Dead):
            dead += 1
            assert world.landed_at is None, f"seed {seed}"
            assert world.height(world.slot) > world.last_valid, f"seed {seed}"
        landed += isinstance(verdict, Alive) and verdict.status is not None
    assert dead > 200, "a rule that never buries anything is no rule"
    assert landed > 3_000


def test_with_all_the_evidence_it_is_dead() -> None:
    assert judge(GOOD) == Dead(LAST_VALID + 5)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def answers(
    *,
    height: int = LAST_VALID + 50,
    slot: int = LAST_VALID + 60,
    status: Any = None,
    status_slot: int | None = None,
) -> dict[str, Answer]:
    """An honest node's answers at this finalized height."""
    blockhash = {"blockhash": str(Pubkey.default()), "lastValidBlockHeight": height + 150}
    return {
        "getLatestBlockhash": result({"context": {"slot": slot}, "value": blockhash}),
        "getBlockHeight": result(height),
        "getSlot": result(slot),
        "getHealth": result("ok"),
        "getFirstAvailableBlock": result(0),
        "getSignatureStatuses": result({"context": {"slot": status_slot or slot + 40}, "value": [status]}),
    }


async def verdict_of(
    *scripts: dict[str, Answer], cluster: str | None = None, landed: str | None = None
) -> Verdict:
    """What nodes that answer so lead to."""
    options = RpcOptions(retry_window_seconds=0.0, timeout=2.0)
    nodes = [ScriptedNode(**script) for script in scripts]
    for node in nodes:
        await node.__aenter__()
    async with Rpc([node.endpoint() for node in nodes], options) as rpc:
        if cluster:
            await rpc.check_cluster(cluster)
        rpc.know(Pubkey.default(), landed)
        found = await verdicts(rpc, [Claim(SIGNATURE, LAST_VALID, SENT_SLOT)])
    for node in nodes:
        await node.__aexit__()
    return found[SIGNATURE]


FORGETFUL = {"getFirstAvailableBlock": result(SENT_SLOT + 1)}


def status(confirmation: str = "finalized", err: object = None) -> dict[str, Any]:
    return {"slot": 9_950, "confirmations": None, "err": err, "confirmationStatus": confirmation}


@pytest.mark.anyio
async def test_one_honest_node_is_enough_where_one_is_configured() -> None:
    assert await verdict_of(answers()) == Dead(LAST_VALID + 50)


@pytest.mark.anyio
async def test_a_second_provider_that_can_testify_must_not_say_otherwise() -> None:
    assert await verdict_of(answers(), answers(height=LAST_VALID + 49)) == Dead(LAST_VALID + 49)
    assert await verdict_of(answers() | FORGETFUL, answers()) == Dead(LAST_VALID + 50)
    assert isinstance(await verdict_of(answers() | FORGETFUL, answers() | FORGETFUL), Unknown)
    assert isinstance(await verdict_of(answers(), answers(height=LAST_VALID)), Alive)
    landed = await verdict_of(answers(), answers(status=status()))
    assert isinstance(landed, Alive)
    assert landed.status is not None


@pytest.mark.anyio
async def test_what_can_never_be_decided_so_is_told_from_what_may_be_asked_again() -> None:
    forgotten = await verdict_of(answers() | FORGETFUL)
    assert isinstance(forgotten, Unknown)
    assert forgotten.stays_so
    assert f"slot {SENT_SLOT}" in forgotten.reason
    busy = await verdict_of(answers() | FORGETFUL, answers() | {"getSlot": error(-32005)})
    assert isinstance(busy, Unknown)
    assert not busy.stays_so


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("example", "expected"),
    [(status() | {"slot": SENT_SLOT}, Dead), (status() | {"slot": SENT_SLOT + 1}, Unknown), (None, Unknown)],
    ids=["older", "younger", "not known"],
)
async def test_a_node_that_does_not_tell_how_far_it_goes_back_testifies_by_an_older_transaction_of_ours(
    example: object, expected: type[Verdict]
) -> None:
    def statuses(request: dict[str, Any]) -> Reply:
        known = {"old": example}
        found = [known.get(signature) for signature in request["params"][0]]
        return result({"context": {"slot": LAST_VALID + 100}, "value": found})(request)

    script = answers() | {"getFirstAvailableBlock": error(-32601), "getSignatureStatuses": statuses}
    assert isinstance(await verdict_of(script, landed="old"), expected)
    assert isinstance(await verdict_of(script), Unknown)


@pytest.mark.anyio
async def test_while_the_blockhash_may_live_little_is_asked_and_nobody_dies() -> None:
    assert await verdict_of({**answers(height=LAST_VALID + 4)}) == Alive(None)


@pytest.mark.anyio
@pytest.mark.parametrize("method", sorted(answers().keys() - {"getHealth"}))
@pytest.mark.parametrize(
    "failure",
    [
        error(-32005, "Node is unhealthy"),
        error(-32429),
        error(-32601),
        error(-32011),
        verbatim("", status=429),
        verbatim("<html>", status=502),
        verbatim("<html>", status=403),
        verbatim('{"jsonrpc":"2.0","id":1,"res'),
        verbatim("", drop=True),
        result(None),
    ],
    ids=["behind", "rate", "missing", "history", "429", "502", "403", "truncated", "reset", "null"],
)
async def test_no_error_in_any_answer_is_evidence_of_death(method: str, failure: Answer) -> None:
    assert isinstance(await verdict_of(answers() | {method: failure}), Unknown)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "failure", [error(-32005, "Node is unhealthy"), error(-32429), verbatim("", status=429), result(None)]
)
async def test_a_node_that_is_not_well_is_no_witness(failure: Answer) -> None:
    assert isinstance(await verdict_of(answers() | {"getHealth": failure}), Unknown)


@pytest.mark.anyio
async def test_a_node_that_does_not_offer_to_tell_its_health_is_a_witness_by_its_numbers() -> None:
    assert isinstance(await verdict_of(answers() | {"getHealth": error(-32601)}), Dead)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "lie",
    [
        {"getHealth": result("behind")},
        {"getFirstAvailableBlock": result(SENT_SLOT + 1)},
        {"getSignatureStatuses": result({"context": {"slot": LAST_VALID + 59}, "value": [None]})},
        {"getSignatureStatuses": result({"context": {"slot": LAST_VALID + 99}, "value": []})},
        {"getBlockHeight": result(22_000_000)},
        {"getBlockHeight": result(LAST_VALID + 200)},
        {"getSlot": result(LAST_VALID - 500)},
    ],
    ids=["unhealthy", "short history", "older status", "no status", "slot as height", "ahead", "old slot"],
)
async def test_a_node_that_cannot_know_kills_nothing(lie: dict[str, Answer]) -> None:
    assert not isinstance(await verdict_of(answers() | lie), Dead)


def test_a_provider_that_counts_everything_in_slots_is_seen_through_by_what_passed_since_the_send() -> None:
    claim = Claim(SIGNATURE, LAST_VALID, sent_slot=22_000_000)
    clocks = Clocks(22_001_150, 22_001_000, 22_001_000)
    in_slots = dataclasses.replace(GOOD, claim=claim, clocks=clocks, status_slot=22_001_040)
    assert isinstance(judge(in_slots), Unknown)


@pytest.mark.anyio
async def test_the_whole_history_is_searched_and_not_only_what_is_recent() -> None:
    def in_history_only(request: dict[str, Any]) -> Reply:
        found = status() if request["params"][1]["searchTransactionHistory"] else None
        return result({"context": {"slot": LAST_VALID + 100}, "value": [found]})(request)

    verdict = await verdict_of(answers() | {"getSignatureStatuses": in_history_only})
    assert isinstance(verdict, Alive)
    assert verdict.status is not None


@pytest.mark.anyio
async def test_on_mainnet_heights_are_far_below_slots() -> None:
    genesis = {"getGenesisHash": result(GENESIS["mainnet-beta"])}
    assert isinstance(await verdict_of(answers() | genesis, cluster="mainnet-beta"), Unknown)
    mainnet = answers(slot=22_000_000 + LAST_VALID) | genesis
    assert isinstance(await verdict_of(mainnet, cluster="mainnet-beta"), Dead)


@pytest.mark.anyio
@pytest.mark.parametrize(("fee", "expected"), [(0, Dead), (5_000, Alive)])
async def test_a_final_failure_that_cost_nothing_is_dead_once_expired(
    fee: int, expected: type[Verdict]
) -> None:
    meta = {"err": FAILED, "fee": fee, "preBalances": [], "postBalances": []}
    record = {"slot": 9_950, "meta": meta, "transaction": {"message": {"accountKeys": []}}}
    failed = answers(status=status(err=FAILED)) | {"getTransaction": result(record)}
    assert isinstance(await verdict_of(failed), expected)
    still_valid = answers(height=LAST_VALID, status=status(err=FAILED))
    assert isinstance(await verdict_of(still_valid), Alive)
