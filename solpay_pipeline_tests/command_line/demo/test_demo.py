"""The demo, played whole and in parts: it passes when all is well, and fails when a unit is missing."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRunStatus
from dotenv import dotenv_values
from rich.console import Console

from solpay_pipeline.demo.books import keep_books
from solpay_pipeline.demo.play import play
from solpay_pipeline.demo.population import populate
from solpay_pipeline.demo.shop import Shop, database_url, open_shop
from solpay_pipeline.demo.show import show
from solpay_pipeline.demo.situations import SITUATIONS, Situation
from solpay_pipeline.demo.story import Story
from solpay_pipeline.demo.verdicts import differences, read_rows
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.server.faults import Faults
from solpay_pipeline.localnet.server.node import Node

SEED = 11
# One payment of each situation: 60 instead of 208.
ONE_OF_EACH = tuple(replace(situation, count=1) for situation in SITUATIONS)


def quiet_node() -> Node:
    """Of a chain that nobody talks to by a port."""
    return Node(Chain(ChainConfig(slot_seconds=0.02, seed=SEED)), Faults(SEED))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with open_shop(quiet_node(), database_url(tmp_path)) as opened:
        yield opened


def situations(*names: str) -> list[Situation]:
    return [situation for situation in ONE_OF_EACH if situation.name in names]


def make(shop: Shop, *names: str) -> None:
    populate(shop, situations(*names), lambda count: None)


def test_every_situation_has_a_name_of_its_own_and_there_are_about_two_hundred_payments():
    assert len({situation.name for situation in SITUATIONS}) == len(SITUATIONS)
    assert 180 <= sum(situation.count for situation in SITUATIONS) <= 220


def test_the_same_seed_makes_the_same_payments(tmp_path: Path):
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with open_shop(quiet_node(), database_url(tmp_path / name)) as shop:
            make(shop, "paid_sol", "paid_token", "late", "frozen")
            made.append([(case.name, str(case.address), case.prices) for case in shop.cases])

    assert made[0] == made[1]


def test_the_books_balance_before_anything_has_run(shop: Shop):
    populate(shop, ONE_OF_EACH, lambda count: None)

    books = keep_books(shop, read_rows(shop).states)

    assert books.balance
    assert all(book.came_in for book in books.assets)


def test_a_lamport_that_leaves_the_shop_unseen_is_missed(shop: Shop):
    make(shop, "paid_sol")
    states = read_rows(shop).states
    (case,) = shop.cases
    account = shop.chain.accounts.newest(case.address)
    assert account is not None

    shop.chain.put_account(case.address, type(account)(account.lamports - 1, b"", account.owner, False, 0))
    books = keep_books(shop, states)

    assert books.assets[0].difference == 1
    assert books.lamports.difference == 1
    assert not books.balance


def test_a_payment_that_is_not_as_expected_is_named_with_what_it_is(shop: Shop):
    make(shop, "paid_sol", "unpaid_live")

    (found,) = differences(shop, situations("paid_sol", "unpaid_live"), read_rows(shop))

    assert found.situation == "paid_sol"
    assert found.words == (
        "expected confirmed / sent_funds / nothing told; is initiated / created / nothing told"
    )


def test_a_wallet_that_is_called_swept_while_it_holds_money_is_named(shop: Shop):
    make(shop, "paid_sol")
    (case,) = shop.cases
    shop.change_payment(case, status=PaymentStatus.CONFIRMED.value)
    shop.change_wallet(case, state=WalletState.SENT_FUNDS.value)

    (found,) = differences(shop, situations("paid_sol"), read_rows(shop))

    assert found.words == "is sent_funds, and its wallet holds SOL"


def test_a_demo_that_did_not_come_out_right_says_so_in_words(shop: Shop):
    wanted = situations("paid_sol", "unpaid_live")
    populate(shop, wanted, lambda count: None)
    rows = read_rows(shop)
    story = Story(
        folder=Path("demo"),
        seed=SEED,
        situations=wanted,
        cases=shop.cases,
        before=rows,
        after=rows,
        outcomes=[],
        books=keep_books(shop, rows.states),
        differences=differences(shop, wanted, rows),
        seconds_to_populate=1.0,
        seconds=2.0,
    )
    paper = io.StringIO()

    show(story, Console(file=paper, width=160))

    assert not story.is_good
    assert "NOT AS EXPECTED: paid_sol, payment" in paper.getvalue()
    assert "All payments are as expected" not in paper.getvalue()


@pytest.mark.slow
def test_the_demo_passes_and_its_runs_stay_on_the_instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("SOLPAY_WEBHOOK_URL", "https://not.the.demos/affair")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    before = dict(os.environ)

    is_good = play(tmp_path / "demo", SEED, as_json=True, situations=ONE_OF_EACH)

    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert is_good, told["differences"]
    assert dict(os.environ) == before
    assert told["books"]["balance"]
    assert {book["difference"] for book in told["books"]["assets"]} == {"0"}
    assert told["seconds"] < 60
    with DagsterInstance.from_config(str(tmp_path / "demo" / "dagster_home")) as instance:
        runs = [(run.job_name, run.status) for run in instance.get_runs()]
    assert runs == [
        ("maintenance_job", DagsterRunStatus.FAILURE),
        ("maintenance_job", DagsterRunStatus.FAILURE),
        ("recheck_job", DagsterRunStatus.FAILURE),
    ]
    assert dotenv_values(tmp_path / "demo" / "solpay.env")["SOLPAY_CLUSTER"] == "localnet"

    # The chain goes on where it was, for whatever is run beside it.
    sweep = [sys.executable, "-m", "solpay_pipeline.demo", str(tmp_path / "demo")]
    sweep += [sys.executable, "-c", "from solpay_pipeline.cli.app import main; main()"]
    sweep += ["sweep", "--discover-accounts", "--json"]
    again = subprocess.run(sweep, capture_output=True, text=True, timeout=60, check=False)
    assert again.returncode == 1, again.stderr
    (outcome,) = json.loads(again.stdout)
    assert (outcome["swept"], outcome["transactions"]) == (0, 0)
    assert outcome["set_aside_count"] == told["runs"][-2]["set_aside_count"]


def test_a_command_without_a_demo_is_refused_in_one_line(tmp_path: Path):
    command = [sys.executable, "-m", "solpay_pipeline.demo", str(tmp_path), "true"]

    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "solpay demo" in refused.stderr
