"""Each fault does to a request what its name says."""

import time
from pathlib import Path

import httpx2
import pytest
from solders.hash import Hash
from solders.keypair import Keypair

from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.server.fault_file import load_faults
from solpay_pipeline.localnet.server.faults import Distribution, Fault, Faults
from solpay_pipeline.localnet.server.node import Node
from solpay_pipeline_tests.localnet.ground import SOL, Caller, pay, signed

ASK_SLOT = {"jsonrpc": "2.0", "id": 1, "method": "getSlot"}


def payment(rpc: Caller, rich: Keypair, wallet: Keypair) -> bytes:
    blockhash = Hash.from_string(rpc.value("getLatestBlockhash")["blockhash"])
    return signed([pay(rich, wallet.pubkey(), SOL)], blockhash, [rich])


def test_a_rate_limit_hits_only_its_methods_and_as_often_as_told(rpc: Caller, node: Node) -> None:
    node.faults.add(Fault("rate_limit", methods={"getSlot"}, times=2, retry_after=1.5))
    assert rpc.result("getBlockHeight")
    for _ in range(2):
        response = rpc.post(ASK_SLOT)
        assert response.status_code == 429
        assert response.headers["Retry-After"] == "1.5"
    assert rpc.post(ASK_SLOT).json()["result"]
    node.faults.add(Fault("rate_limit", times=1))
    assert "Retry-After" not in rpc.post(ASK_SLOT).headers
    assert node.calls == {"getSlot": 4, "getBlockHeight": 1}


def test_a_rate_limit_may_hide_in_a_good_answer(rpc: Caller, node: Node) -> None:
    node.faults.add(Fault("rate_limit_body"))
    response = rpc.post(ASK_SLOT)
    assert response.status_code == 200
    assert response.json()["error"]["code"] == -32429


def test_a_node_may_be_behind_with_and_without_a_number(rpc: Caller, node: Node) -> None:
    fault = node.faults.add(Fault("node_behind"))
    assert rpc.error("getSlot") == {"code": -32005, "message": "Node is unhealthy"}
    node.faults.remove(fault)
    node.faults.add(Fault("node_behind", slots=42))
    assert rpc.error("getSlot")["data"] == {"numSlotsBehind": 42}


def test_a_server_error_has_a_page_for_a_body(rpc: Caller, node: Node) -> None:
    node.faults.add(Fault("server_error", status=504))
    response = rpc.post(ASK_SLOT)
    assert response.status_code == 504
    assert response.text.startswith("<html>")


def test_garbled_answers(rpc: Caller, node: Node) -> None:
    node.faults.add(Fault("truncate", times=1))
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        rpc.post(ASK_SLOT).json()
    node.faults.add(Fault("wrong_id", times=1))
    assert rpc.post(ASK_SLOT).json()["id"] != 1


def test_latency_delays_and_nothing_else(rpc: Caller, node: Node) -> None:
    node.faults.add(Fault("latency", seconds=0.05))
    response = rpc.post(ASK_SLOT)
    assert response.elapsed.total_seconds() >= 0.05
    assert response.json()["result"]


@pytest.mark.parametrize(("kind", "balance"), [("drop_before", 0), ("drop_after", SOL)])
def test_a_dropped_connection_leaves_open_what_happened(
    rpc: Caller, node: Node, rich: Keypair, wallet: Keypair, kind: str, balance: int
) -> None:
    wire = payment(rpc, rich, wallet)
    node.faults.add(Fault.from_json({"kind": kind, "methods": ["sendTransaction"]}))
    with pytest.raises(httpx2.TransportError):
        rpc.send(wire)
    assert rpc.value("getBalance", str(wallet.pubkey()), {"commitment": "processed"}) == balance


def test_a_swallowed_transaction_never_lands(
    rpc: Caller, node: Node, chain: Chain, rich: Keypair, wallet: Keypair
) -> None:
    wire = payment(rpc, rich, wallet)
    node.faults.add(Fault("swallow", times=1))
    signature = rpc.send(wire)
    chain.advance(40)
    assert rpc.value("getSignatureStatuses", [signature]) == [None]
    assert rpc.send(wire) == signature
    assert rpc.value("getSignatureStatuses", [signature])[0]["err"] is None


def test_a_transaction_may_pass_preflight_and_fail_on_chain(
    rpc: Caller, node: Node, rich: Keypair, wallet: Keypair
) -> None:
    node.faults.add(Fault("land_failed", err={"InstructionError": [0, {"Custom": 11}]}))
    signature = rpc.send(payment(rpc, rich, wallet))
    assert rpc.value("getSignatureStatuses", [signature])[0]["err"] == {
        "InstructionError": [0, {"Custom": 11}]
    }
    processed = {"commitment": "processed"}
    assert rpc.value("getBalance", str(wallet.pubkey()), processed) == 0
    assert rpc.value("getBalance", str(rich.pubkey()), processed) == 10 * SOL - 5_000


@pytest.mark.parametrize(("slots", "lands"), [(118, True), (119, False)])
def test_a_late_transaction_lands_up_to_its_last_block(
    rpc: Caller, node: Node, chain: Chain, rich: Keypair, wallet: Keypair, slots: int, lands: bool
) -> None:
    # The finalized blockhash is 32 blocks old; it lives for 150.
    node.faults.add(Fault("land_late", slots=slots))
    signature = rpc.send(payment(rpc, rich, wallet))
    chain.advance(slots - 1)
    assert rpc.value("getSignatureStatuses", [signature]) == [None]
    chain.advance(50)
    status = rpc.value("getSignatureStatuses", [signature])[0]
    assert (status is not None) is lands


def test_the_die_falls_the_same_way_for_the_same_seed() -> None:
    def thrown() -> list[int]:
        faults = Faults(seed=7)
        faults.add(Fault("rate_limit", probability=0.2))
        return [len(faults.strike(["getSlot"])) for _ in range(200)]

    assert thrown() == thrown()
    assert 20 <= sum(thrown()) <= 60


def test_a_batch_is_answered_member_by_member(rpc: Caller, node: Node) -> None:
    node.faults.add(Fault("rate_limit_body", methods={"getHealth"}))
    batch = [
        ASK_SLOT,
        ASK_SLOT | {"id": 2, "method": "getHealth"},
        ASK_SLOT | {"id": 3, "method": "getNothing"},
        7,
    ]
    answers = rpc.post(batch).json()
    assert answers[0]["result"] > 0
    assert answers[1]["error"]["code"] == -32429
    assert answers[2]["error"] == {"code": -32601, "message": "Method not found"}
    assert answers[3]["error"]["code"] == -32600


def test_malformed_requests_are_told_apart(rpc: Caller) -> None:
    assert rpc.http.post("/", content=b"{not json").json()["error"]["code"] == -32700
    assert rpc.post([]).json()["error"]["code"] == -32600
    assert rpc.error("getBalance")["code"] == -32602
    assert rpc.error("getBalance", "not an address")["code"] == -32602
    assert rpc.error("getBalance", "1" * 32, {"commitment": "soon"})["code"] == -32602


def test_another_process_moves_the_chain_and_breaks_the_node(
    rpc: Caller, node: Node, chain: Chain, wallet: Keypair
) -> None:
    slot = chain.tick()
    assert rpc.result("localnet_advanceSlots", 5) == slot + 5
    before = chain.block_time(chain.tick())
    assert rpc.result("localnet_warp", 100) - before in (100, 101)
    assert rpc.result("localnet_setFaults", [{"kind": "server_error", "methods": ["getSlot"]}]) == 1
    assert rpc.post(ASK_SLOT).status_code == 502
    assert rpc.error("localnet_setFaults", [{"kind": "gremlins"}])["code"] == -32602
    rpc.result("localnet_clearFaults")
    rpc.result("localnet_setRent", 6_960)
    assert rpc.result("getMinimumBalanceForRentExemption", 165) == 2_039_280
    signature = rpc.result("requestAirdrop", str(wallet.pubkey()), SOL)
    assert rpc.result("localnet_fork") == [signature]
    counted = rpc.result("localnet_calls", True)
    assert counted["calls"] == {
        "getSlot": 1,
        "getMinimumBalanceForRentExemption": 1,
        "requestAirdrop": 1,
    }
    assert counted["connections"] == 1
    assert counted["faults"] == {"server_error": 1}
    assert rpc.result("localnet_calls")["calls"] == {}


def test_requests_above_a_limit_are_told_when_to_come_back(rpc: Caller, node: Node) -> None:
    node.faults.add(Fault("request_limit", requests=3, window_seconds=1.5))
    statuses = [rpc.post(ASK_SLOT).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    refused = rpc.post(ASK_SLOT | {"method": "getBlockHeight"})
    wait = float(refused.headers["Retry-After"])
    assert 0 < wait <= 1.5
    time.sleep(wait + 0.02)
    assert rpc.post(ASK_SLOT).status_code == 200


def test_a_limit_may_count_each_method_for_itself(rpc: Caller, node: Node) -> None:
    node.faults.add(Fault("request_limit", requests=2, window_seconds=60, per_method=True, retry_after=7))
    assert [rpc.post(ASK_SLOT).status_code for _ in range(3)] == [200, 200, 429]
    assert rpc.post(ASK_SLOT | {"method": "getBlockHeight"}).status_code == 200
    batch = [ASK_SLOT | {"id": number, "method": "getHealth"} for number in range(3)]
    refused = rpc.post(batch)
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "7"


def test_connections_above_a_limit_are_refused(rpc: Caller, node: Node) -> None:
    node.faults.add(Fault("connection_limit", requests=1))
    assert rpc.post(ASK_SLOT).status_code == 200
    second = Caller(node.url)
    assert second.post(ASK_SLOT).status_code == 429
    second.http.close()
    assert rpc.post(ASK_SLOT).status_code == 200


def test_the_limits_of_the_public_endpoint_have_a_name(rpc: Caller, node: Node) -> None:
    assert rpc.result("localnet_setFaults", ["public"]) == 3
    statuses = [rpc.post(ASK_SLOT).status_code for _ in range(45)]
    assert statuses.count(200) == 40
    others = [rpc.post(ASK_SLOT | {"method": f"get{number}"}).status_code for number in range(70)]
    assert others.count(200) == 100 - 45
    assert rpc.error("localnet_setFaults", ["private"])["code"] == -32602
    assert rpc.error("localnet_setFaults", [7])["code"] == -32602
    assert rpc.error("localnet_setFaults", {})["code"] == -32602


def test_a_slow_body_drips(rpc: Caller, node: Node) -> None:
    node.faults.add(Fault("slow_body", seconds=0.2))
    with rpc.http.stream("POST", "/", json=ASK_SLOT) as response:
        pieces = list(response.iter_raw())
    assert len(pieces) > 5
    assert b"".join(pieces).startswith(b'{"jsonrpc":"2.0","result":')


@pytest.mark.parametrize(
    ("distribution", "low", "high"),
    [("fixed", 1.0, 1.0), ("uniform", 0.9, 1.1), ("exponential", 0.9, 1.1), ("lognormal", 1.4, 1.9)],
)
def test_latency_has_a_distribution(distribution: Distribution, low: float, high: float) -> None:
    faults = Faults(seed=3)
    fault = faults.add(Fault("latency", seconds=1.0, distribution=distribution, spread=1.0))
    delays = [faults.delay(fault) for _ in range(4_000)]
    assert low <= sum(delays) / len(delays) <= high
    assert min(delays) >= 0


def test_a_request_may_be_carried_out_twice(rpc: Caller, node: Node, rich: Keypair, wallet: Keypair) -> None:
    wire = payment(rpc, rich, wallet)
    node.faults.add(Fault("duplicate_request", methods={"sendTransaction", "requestAirdrop"}))
    with pytest.raises(AssertionError, match="already been processed"):
        rpc.send(wire, preflightCommitment="processed")
    rpc.result("requestAirdrop", str(wallet.pubkey()), SOL)
    assert rpc.value("getBalance", str(wallet.pubkey()), {"commitment": "processed"}) == 3 * SOL


def test_history_may_name_every_transaction_twice(
    rpc: Caller, node: Node, chain: Chain, wallet: Keypair
) -> None:
    signature = chain.airdrop(wallet.pubkey(), SOL).signature
    chain.advance(2)
    node.faults.add(Fault("duplicate_rows"))
    rows = rpc.result("getSignaturesForAddress", str(wallet.pubkey()), {"commitment": "confirmed"})
    assert [row["signature"] for row in rows] == [signature, signature]


def test_a_page_may_come_with_any_status(rpc: Caller, node: Node) -> None:
    node.faults.add(Fault("server_error", status=403))
    response = rpc.post(ASK_SLOT)
    assert response.status_code == 403
    assert response.headers["Content-Type"] == "text/html"


def test_faults_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text('{"seed": 4, "faults": ["flaky", {"kind": "truncate", "methods": ["getSlot"]}]}')
    faults = load_faults(path)
    thrown = [[fault.kind for fault in faults.strike(["getSlot"])] for _ in range(50)]
    assert all(kinds[-1] == "truncate" for kinds in thrown)
    again = load_faults(path)
    assert thrown == [[fault.kind for fault in again.strike(["getSlot"])] for _ in range(50)]
    for content in (
        "[",
        "[]",
        '{"fault": []}',
        '{"faults": [{"kind": "x"}]}',
        '{"seed": "x"}',
        '{"faults": [{"kind": "latency", "distribution": "x"}]}',
        '{"faults": [{"kind": "latency", "seconds": -1}]}',
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match=r"faults\.json is not a file of faults"):
            load_faults(path)
