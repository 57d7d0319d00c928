"""Whatever a node or a proxy answers, callers see a typed error or a right value, and never a secret."""

import json
import logging
import pickle
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pydantic import SecretStr
from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc import transport
from solpay_pipeline.chain.rpc.client import Endpoint, Rpc, RpcOptions
from solpay_pipeline.chain.rpc.errors import (
    ChainError,
    Forbidden,
    MalformedAnswer,
    MethodMissing,
    NodeBehind,
    PreflightFailed,
    RateLimited,
    Refused,
    RpcRejected,
    Unanswered,
    UnknownCursor,
    Unreachable,
    Unreadable,
    UnsupportedVersion,
    WrongCluster,
)
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline_tests.rooms.chain.scripted import Answer, ScriptedNode, error, result, verbatim

pytestmark = pytest.mark.anyio

ONCE = RpcOptions(retry_window_seconds=0.0, timeout=2.0)
HTML = "<html><body>502 Bad Gateway</body></html>"

HOSTILE: list[tuple[str, Answer, type[ChainError]]] = [
    ("429", verbatim("slow down", status=429), RateLimited),
    ("429 with a body that calls itself internal", error(-32603, status=429), RateLimited),
    ("429 as a body", error(429), RateLimited),
    ("429 as a body, in words", error("429"), RateLimited),
    ("Helius' rate limit", error(-32429), RateLimited),
    ("TheRPC's rate limit", error(-32029), RateLimited),
    ("P2P's rate limit", error(-32005, "Request limit exceeded"), RateLimited),
    ("a rate limit in words only", error(-32000, "rate limit reached"), RateLimited),
    ("node behind, without data", error(-32005, "Node is unhealthy"), NodeBehind),
    (
        "node behind, with data",
        error(-32005, "Node is behind by 42 slots", {"numSlotsBehind": 42}),
        NodeBehind,
    ),
    ("block not available", error(-32004), NodeBehind),
    ("status not available", error(-32014), NodeBehind),
    ("minimum context slot", error(-32016, data={"contextSlot": 3}), NodeBehind),
    ("internal error", error(-32603), Refused),
    ("proxy's page, 502", verbatim(HTML, status=502), Unreachable),
    ("proxy's page, 200", verbatim(HTML), Unreachable),
    ("service unavailable with a code", error(-32005, "Node is unhealthy", status=503), NodeBehind),
    ("cut connection", verbatim("", drop=True), Unreachable),
    ("forbidden page", verbatim(HTML, status=403), Forbidden),
    ("unauthorized", verbatim('{"error": "no key"}', status=401), Forbidden),
    ("plan used up", verbatim("", status=402), Forbidden),
    ("forbidden with a code", error(-32000, "blocked", status=403), Forbidden),
    ("forbidden for the rate", error(429, "too many requests", status=403), RateLimited),
    ("unsupported version", error(-32015), UnsupportedVersion),
    ("pruned cursor", error(-32020), UnknownCursor),
    ("method missing", error(-32601), MethodMissing),
    ("method gone", verbatim("", status=410), MethodMissing),
    ("wrong parameters", error(-32602), RpcRejected),
    ("wrong parameters, 400", error(-32602, status=400), RpcRejected),
    ("unknown code", error(-31999), Refused),
    ("unknown code and words of a limit", error(-31999, "too many requests"), RateLimited),
    ("wrong parameters, in words of a limit", error(-32602, "Too many requests"), RpcRejected),
    ("QuickNode's limit", error(-32007, "15/second request limit reached"), RateLimited),
    ("an unknown refusal, 503", error(-32001, "no", status=503), Unreachable),
    ("wrong parameters, 504", error(-32602, status=504), Unreachable),
    ("no method, 408", error(-32601, status=408), Unreachable),
    ("wrong parameters, 425", error(-32602, status=425), Unreachable),
    ("too large, 413", verbatim(HTML, status=413), RpcRejected),
    ("no code", error(None), Refused),
    ("error is a text", verbatim('{"jsonrpc":"2.0","id":1,"error":"what?"}'), Refused),
    (
        "error for another request",
        verbatim('{"jsonrpc":"2.0","id":77,"error":{"code":-32601}}'),
        MalformedAnswer,
    ),
    ("redirection", verbatim("", status=302, headers={"Location": "http://127.0.0.1:1/"}), Refused),
    ("truncated", verbatim('{"jsonrpc":"2.0","id":1,"resu'), MalformedAnswer),
    ("empty", verbatim(""), MalformedAnswer),
    ("a list", verbatim("[]"), MalformedAnswer),
    ("no UTF-8 number", verbatim("NaN"), MalformedAnswer),
    ("deep", verbatim("[" * 100_000), MalformedAnswer),
    ("wrong id", verbatim('{"jsonrpc":"2.0","id":99,"result":5}'), MalformedAnswer),
    ("text id", verbatim('{"jsonrpc":"2.0","id":"1","result":5}'), MalformedAnswer),
    ("no id", verbatim('{"jsonrpc":"2.0","result":5}'), MalformedAnswer),
    ("neither result nor error", verbatim('{"jsonrpc":"2.0","id":1}'), MalformedAnswer),
    ("result null", result(None), Unreadable),
    ("result a text", result("12"), Unreadable),
    ("result negative", result(-1), Unreadable),
    ("result a fraction", result(1.5), Unreadable),
    ("result too large", result(2**70), Unreadable),
    ("result an object", result({"value": 5}), Unreadable),
]


@pytest.mark.parametrize(
    ("answer", "expected"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE]
)
async def test_every_bad_answer_becomes_its_typed_error(answer: Answer, expected: type[ChainError]) -> None:
    async with ScriptedNode(getBlockHeight=answer) as node, Rpc([node.endpoint()], ONCE) as rpc:
        with pytest.raises(ChainError) as raised:
            await rpc.block_height(Commitment.FINALIZED)
    assert type(raised.value) is expected


async def test_a_server_that_drips_is_cut_off_at_the_timeout() -> None:
    drip = verbatim('{"jsonrpc":"2.0","id":1,"result":5}', drip=0.05)
    async with (
        ScriptedNode(getBlockHeight=drip) as node,
        Rpc([node.endpoint()], RpcOptions(retry_window_seconds=0.0, timeout=0.2)) as rpc,
    ):
        with pytest.raises(Unreachable, match=r"0\.2 s"):
            await rpc.block_height(Commitment.FINALIZED)


async def test_what_an_endpoint_says_steers_no_terminal() -> None:
    said = "\x1b]0;owned\x07\x9b2J\u202egnp.exe\u2028 done"
    async with ScriptedNode(getSlot=error(-32602, said)) as node, Rpc([node.endpoint()], ONCE) as rpc:
        with pytest.raises(RpcRejected) as raised:
            await rpc.slot(Commitment.FINALIZED)
    assert "\\x1b]0;owned\\x07\\x9b2J\\u202egnp.exe done" in str(raised.value)
    assert str(raised.value).isprintable()


async def test_a_port_where_nobody_listens_is_unreachable() -> None:
    async with Rpc([Endpoint(SecretStr("http://127.0.0.1:9"))], ONCE) as rpc:
        with pytest.raises(Unreachable):
            await rpc.slot(Commitment.FINALIZED)


@pytest.mark.parametrize("answer", [{"value": [5]}, {"context": {"slot": 1}, "value": [{}]}, [], None, "x"])
async def test_a_result_that_makes_solders_fail_or_panic_is_malformed(answer: object) -> None:
    methods = ("getLatestBlockhash", "getBalance", "getTokenAccountsByOwner", "getRecentPrioritizationFees")
    key = Pubkey.default()
    async with (
        ScriptedNode(**dict.fromkeys(methods, result(answer))) as node,
        Rpc([node.endpoint()], ONCE) as rpc,
    ):
        for call in (
            rpc.latest_blockhash(Commitment.CONFIRMED),
            rpc.balance(key, Commitment.CONFIRMED),
        ):
            with pytest.raises(MalformedAnswer):
                await call
        with pytest.raises(Unanswered):
            await rpc.token_accounts_by_owner(key, key, Commitment.CONFIRMED)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        (format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True), 86_400.0),
        (format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True), 0.0),
        ("soon", None),
        ("-5", None),
    ],
    ids=["whole", "fraction", "date", "past date", "words", "negative"],
)
async def test_retry_after_is_read_as_seconds_or_as_a_date(header: str, seconds: float | None) -> None:
    busy = verbatim("", status=429, headers={"Retry-After": header})
    async with ScriptedNode(getSlot=busy) as node, Rpc([node.endpoint()], ONCE) as rpc:
        with pytest.raises(RateLimited) as raised:
            await rpc.slot(Commitment.FINALIZED)
    assert raised.value.retry_after == (None if seconds is None else pytest.approx(seconds, abs=1_800))


async def test_a_failed_preflight_tells_the_error_and_the_logs() -> None:
    failure = {"err": {"InstructionError": [1, {"Custom": 17}]}, "logs": ["frozen"], "unitsConsumed": 99}
    async with (
        ScriptedNode(sendTransaction=error(-32002, "simulation failed", failure)) as node,
        Rpc([node.endpoint()], ONCE) as rpc,
    ):
        with pytest.raises(PreflightFailed) as raised:
            await rpc.send(b"wire", preflight_commitment=Commitment.CONFIRMED)
    assert raised.value.err == '{"InstructionError":[1,{"Custom":17}]}'
    assert raised.value.raw_err == failure["err"]
    assert (raised.value.logs, raised.value.units) == (("frozen",), 99)


@pytest.mark.parametrize("body_id", ["null", "99"])
async def test_a_preflight_failure_that_is_not_ours_for_sure_proves_nothing(body_id: str) -> None:
    failure = {"code": -32002, "message": "x", "data": {"err": "AccountNotFound"}}
    body = f'{{"jsonrpc":"2.0","id":{body_id},"error":{json.dumps(failure)}}}'
    async with ScriptedNode(sendTransaction=verbatim(body)) as node, Rpc([node.endpoint()], ONCE) as rpc:
        with pytest.raises(MalformedAnswer):
            await rpc.send(b"wire", preflight_commitment=Commitment.CONFIRMED)


async def test_no_log_line_error_or_traceback_shows_the_key_of_an_endpoint(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = ("pathkey12345", "querykey", "userword", "headerkey")
    parrot = error(-32000, "bad key pathkey12345 querykey userword headerkey")
    options = RpcOptions(retry_window_seconds=0.0)
    said = []
    answers = dict.fromkeys(("getSlot", "getBalance"), parrot)
    async with ScriptedNode(
        **answers, getBlockHeight=verbatim("", drop=True), getGenesisHash=result("x" * 44)
    ) as node:
        url = SecretStr(f"http://me:userword@{node.host}/v2/pathkey12345?api-key=querykey")
        async with Rpc([Endpoint(url, {"X-Key": SecretStr("headerkey")})], options) as rpc:
            for call in (
                rpc.slot(Commitment.FINALIZED),
                rpc.block_height(Commitment.FINALIZED),
                rpc.check_cluster("devnet"),
            ):
                with pytest.raises(ChainError) as raised:
                    await call
                said += [
                    str(raised.value),
                    repr(raised.value),
                    "".join(traceback.format_exception(raised.value)),
                ]
            said.append(repr(rpc.failover.nodes[0]))
        assert node.targets[0] == "/v2/pathkey12345?api-key=querykey"
        assert node.headers[0]["x-key"] == "headerkey"
        assert node.headers[0]["authorization"].startswith("Basic ")
    said += [record.getMessage() for record in caplog.records]
    assert [secret for secret in secrets if secret in "\n".join(said)] == []
    assert f"http://{node.host}/… refused getSlot" in "".join(
        said
    ) or f"http://{node.host}/… said" in "".join(said)


async def test_no_character_that_a_terminal_obeys_is_in_an_error() -> None:
    escape = error(-32602, "bad \x1b[2J\x1b]0;owned\x07 param\u202eeter\r\nagain\x00")
    logs = {"err": "AccountNotFound", "logs": ["Program log: \x1b[31mred\x9b2J"]}
    async with (
        ScriptedNode(getSlot=escape, sendTransaction=error(-32002, "no", logs)) as node,
        Rpc([node.endpoint()], ONCE) as rpc,
    ):
        with pytest.raises(RpcRejected) as raised:
            await rpc.slot(Commitment.FINALIZED)
        with pytest.raises(PreflightFailed) as failed:
            await rpc.send(b"wire", preflight_commitment=Commitment.CONFIRMED)
    assert str(raised.value).isprintable()
    assert "bad \\x1b[2J\\x1b]0;owned\\x07 param\\u202eeter again\\x00" in str(raised.value)
    assert failed.value.logs == ("Program log: \\x1b[31mred\\x9b2J",)


async def test_a_body_without_end_is_the_nodes_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LARGEST_BODY", 10_000)
    endless = verbatim(" " * 10_000 + '{"jsonrpc":"2.0","id":1,"result":5}')
    async with (
        ScriptedNode(getBlockHeight=endless) as first,
        ScriptedNode(getBlockHeight=result(7)) as second,
        Rpc([first.endpoint(), second.endpoint()]) as rpc,
    ):
        assert await rpc.block_height(Commitment.FINALIZED) == 7
        assert rpc.calls["getBlockHeight"] == 2


def test_an_error_survives_pickling() -> None:
    errors = [
        Refused("odd", code=-31999, retry_after=1.0),
        RateLimited("slow", retry_after=3.0),
        WrongCluster("devnet", "testnet", "https://host/…"),
        RpcRejected(-32602, "no", "getSlot"),
        PreflightFailed('"X"', "X", ("log",), 5),
    ]
    for each in errors:
        again = pickle.loads(pickle.dumps(each))
        assert (type(again), str(again), vars(again)) == (type(each), str(each), vars(each))


@pytest.mark.parametrize(
    "bad",
    [
        {"url": "https://host:secret/x"},
        {"url": "ftp://secret"},
        {"url": "secret"},
        {"url": "https://[secret"},
        {"url": "https://host/sécret"},
        {"url": "https://host/se cret"},
        {"proxy": "secret://user:secret@host"},
        {"header": "secret\n"},
        {"header": "sécret"},
    ],
)
def test_what_cannot_be_called_is_refused_without_being_shown(bad: dict[str, str]) -> None:
    options = RpcOptions(
        proxy=SecretStr(bad["proxy"]) if "proxy" in bad else None,
    )
    headers = {"X-Key": SecretStr(bad["header"])} if "header" in bad else {}
    with pytest.raises(ValueError, match="RPC") as raised:
        Rpc([Endpoint(SecretStr(bad.get("url", "https://host/")), headers)], options)
    shown = "".join(traceback.format_exception(raised.value)) + repr(options)
    assert "secret" not in str(raised.value)
    assert "sécret" not in shown
    assert "secret@" not in shown
