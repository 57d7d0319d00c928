"""The peer's web application and our jobs at the same time, on one database and one chain."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from solders.pubkey import Pubkey

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger.tables import acceptance
from solpay_pipeline.localnet.chain.engine import ChainConfig
from solpay_pipeline.records.tables import peer_tables
from solpay_pipeline_tests.beside_the_peer.drop_in.conftest import project_of
from solpay_pipeline_tests.beside_the_peer.drop_in.project import Project
from solpay_pipeline_tests.beside_the_peer.peer.kit import EXPIRE, RECHECK
from solpay_pipeline_tests.rooms.events.ground import SECRET, Receiver, receiving
from solpay_pipeline_tests.shop import SOL, Shop, open_shop

pytestmark = pytest.mark.slow

PEER_SLOT_SECONDS = 0.05
"""The peer polls slowly: with shorter slots its blockhashes die of that."""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    url = None if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    config = ChainConfig(slot_seconds=PEER_SLOT_SECONDS)
    with open_shop(tmp_path, database_url=url, config=config, create_tables=False) as shop:
        yield shop


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as ready:
        yield ready


def web_project(shop: Shop, folder: Path, receiver: Receiver, **more: Any) -> Project:
    return project_of(
        shop,
        folder,
        settings_module=more.pop(
            "settings_module", "solpay_pipeline_tests.beside_the_peer.drop_in.web_settings"
        ),
        more={"SOLPAY_WEBHOOK_URL": receiver.url, "SOLPAY_WEBHOOK_SECRET": SECRET},
        **more,
    )


@contextmanager
def served(project: Project) -> Iterator[str]:
    """The project's web application in a process of its own; the URL of the peer's API."""
    process = subprocess.Popen(
        [sys.executable, "-m", "solpay_pipeline_tests.beside_the_peer.drop_in.web"],
        env=project._environment(),
        stdout=subprocess.PIPE,
        stderr=(project.told.parent / "web.log").open("w"),
        text=True,
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/api"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def verify(api: str, address: str, mint: Pubkey | None = None) -> tuple[int, Any]:
    """What a customer's page asks the peer: status code and body."""
    query = "token_type=NATIVE" if mint is None else f"token_type=SPL&mint_address={mint}"
    try:
        with urllib.request.urlopen(f"{api}/verify-transfer/{address}?{query}", timeout=120) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def sources(shop: Shop) -> dict[int, str]:
    with reading(shop.deployment.engine) as connection:
        rows = connection.execute(sa.select(acceptance.c.payment_id, acceptance.c.source))
        return {payment_id: source for payment_id, source in rows if payment_id}


def accepted_by_webhook(receiver: Receiver) -> dict[int, set[str]]:
    """The ids of the events of acceptance, by payment."""
    ids: dict[int, set[str]] = {}
    for body in receiver.bodies:
        if body["type"] == "payment.accepted":
            ids.setdefault(body["data"]["payment_id"], set()).add(body["id"])
    return ids


@pytest.mark.timeout(300)
def test_every_acceptance_is_told_once_whoever_was_first(shop: Shop, tmp_path: Path, receiver: Receiver):
    mint = shop.seed.create_mint(decimals=6)
    project = web_project(shop, tmp_path, receiver)
    project.set_up(native_price="0.1", spl_prices={str(mint): "5"})
    payments = project.create_payments(7)
    # Accepted by the peer before our first run: its receivers know, and nobody is told again.
    before, by_peer, by_peer_in_tokens, by_us, *raced = payments
    token_of = {payment["id"]: mint for payment in (by_peer_in_tokens, *raced[::2])}
    for payment in payments:
        address = Pubkey.from_string(payment["address"])
        if payment["id"] in token_of:
            shop.seed.pay_token(address, mint, 5_000_000)
        else:
            shop.seed.pay_sol(address, SOL // 10)
    shop.settle_chain()

    with served(project) as api:

        def ask(payment: dict[str, Any]) -> tuple[int, Any]:
            return verify(api, payment["address"], token_of.get(payment["id"]))

        assert ask(before)[0] == 200
        shop.run("reclaim")
        assert ask(by_peer)[0] == ask(by_peer_in_tokens)[0] == 200
        shop.run("recheck", payment_ids=frozenset({by_us["id"]}))
        assert ask(by_us) == (200, {"status": "confirmed", "payment_address": by_us["address"]})
        with ThreadPoolExecutor(4) as customers:
            answers = [customers.submit(ask, payment) for payment in raced for _ in range(2)]
            while not all(answer.done() for answer in answers):
                shop.run("recheck")
                shop.run("sweep")
                time.sleep(0.5)
        told = Counter(answer.result()[0] for answer in answers)

    assert project.manage("solpay", "maintain").returncode in (0, 1)
    assert project.manage("solpay", "maintain").returncode == 0

    told_by = sources(shop)
    print("answers", dict(told), "sources", Counter(told_by.values()))
    assert told_by[before["id"]] == "before"
    assert told_by[by_peer["id"]] == told_by[by_peer_in_tokens["id"]] == "peer"
    assert told_by[by_us["id"]] == "pipeline"
    assert set(told_by) == {payment["id"] for payment in payments}
    signals = Counter(line["payment"] for line in project.lines("accepted"))
    assert signals == {payment["id"]: 1 for payment in payments}
    events = accepted_by_webhook(receiver)
    assert set(events) == {payment["id"] for payment in payments} - {before["id"]}
    assert {len(ids) for ids in events.values()} == {1}
    bodies = {
        body["data"]["payment_id"]: body["data"]
        for body in receiver.bodies
        if body["type"] == "payment.accepted"
    }
    assert (bodies[by_peer_in_tokens["id"]]["source"], bodies[by_us["id"]]["source"]) == ("peer", "pipeline")
    assert bodies[by_peer_in_tokens["id"]]["received"] == {str(mint): "5000000"}
    states = {(one["status"], one["wallet_state"]) for one in project.states()["payments"]}
    assert states == {("confirmed", "sent_funds")}
    assert shop.received(mint) == 5_000_000 * len(token_of)


_SIGNAL_LATE = """
import json, sys, django
django.setup()
from django_solana_payments.helpers import get_solana_payment_model
from django_solana_payments.services.solana_payments_service import SolanaPaymentsService
from django_solana_payments.services.verify_transaction_service import VerifyTransactionService
for payment in get_solana_payment_model().objects.order_by("pk"):
    VerifyTransactionService()._run_post_payment_success_hooks(payment.pk, "confirmed", None, True, None)
    SolanaPaymentsService()._dispatch_payment_expired_signal(payment.pk)
"""


@pytest.mark.parametrize("shop", ["sqlite"], indirect=True)
def test_the_peers_signal_after_our_acceptance_is_kept_back_and_one_of_its_own_is_not(
    shop: Shop, tmp_path: Path, receiver: Receiver
):
    """What the peer's services do at the end of a look that began before one of our jobs wrote the row."""
    project = web_project(shop, tmp_path, receiver)
    project.set_up(native_price="0.1")
    ours, expired, other = project.create_payments(3)
    shop.seed.pay_sol(Pubkey.from_string(ours["address"]), SOL // 10)
    shop.settle_chain()
    project.expire_now([expired["id"]])
    for name in (RECHECK, EXPIRE):
        project.command(name)
    once = {("accepted", ours["id"]), ("mailed", ours["id"]), ("expired", expired["id"])}
    assert Counter((line["who"], line["payment"]) for line in project.lines()) == dict.fromkeys(once, 1)

    project._run(["-c", _SIGNAL_LATE])

    of_ours = Counter((line["who"], line["payment"]) for line in project.lines())
    assert {key: of_ours[key] for key in once} == dict.fromkeys(once, 1)
    # The peer is free to tell what the ledger does not, an acceptance once.
    assert of_ours["expired", other["id"]] == of_ours["accepted", other["id"]] == 1
    project._run(["-c", _SIGNAL_LATE])
    told = Counter((line["who"], line["payment"]) for line in project.lines())
    assert {told["accepted", payment["id"]] for payment in (ours, expired, other)} == {1}


@pytest.mark.timeout(300)
def test_a_shop_with_payment_and_token_models_of_its_own_is_served_by_their_django_names(
    shop: Shop, tmp_path: Path, receiver: Receiver
):
    mint = shop.seed.create_mint(decimals=6)
    project = web_project(
        shop,
        tmp_path,
        receiver,
        settings_module="solpay_pipeline_tests.beside_the_peer.drop_in.boutique_settings",
    )
    project.migrate()
    sol, token = project.create_tokens(
        [
            {"token_type": "NATIVE", "payment_crypto_price": "0.1", "colour": "silver"},
            {"token_type": "SPL", "payment_crypto_price": "5", "mint_address": str(mint)},
        ]
    )
    in_sol, in_tokens, unpaid = project.create_payments(3)
    shop.seed.pay_sol(Pubkey.from_string(in_sol["address"]), SOL // 10)
    shop.seed.pay_token(Pubkey.from_string(in_tokens["address"]), mint, 5_000_000)
    shop.settle_chain()

    doctor = project.manage("solpay", "doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert (
        "ok    events: django: solpay_pipeline_tests.beside_the_peer.drop_in.boutique_settings and its signals load"
        in doctor.stdout
    )
    project.command(RECHECK)
    project.expire_now([unpaid["id"]])
    project.command("solpay", "maintain")

    by_id = {
        one["id"]: (one["status"], one["wallet_state"], one["paid_token"])
        for one in project.states()["payments"]
    }
    assert by_id == {
        in_sol["id"]: ("confirmed", "sent_funds", sol),
        in_tokens["id"]: ("confirmed", "sent_funds", token),
        unpaid["id"]: ("expired", "payment_expired_and_wallet_closed", None),
    }
    assert [line["payment"] for line in project.lines("accepted")] == [in_sol["id"], in_tokens["id"]]
    assert [line["payment"] for line in project.lines("expired")] == [unpaid["id"]]
    assert shop.received(mint) == 5_000_000
    # The peer's own tables of payments and tokens stay as its migrations made them: empty.
    own = replace(shop.deployment, tables=peer_tables()).tables
    with reading(shop.deployment.engine) as connection:
        for table in (own.payment, own.token):
            assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 0
