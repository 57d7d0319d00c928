"""The demo goes on: its shop is opened again, and its customers follow from the seed."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from solpay_pipeline.base.database import open_engine, reading
from solpay_pipeline.cli.app import app
from solpay_pipeline.demo.folder import CHAIN_FILE, HOME, MARKER, is_played, write_environment
from solpay_pipeline.demo.live import HABITS
from solpay_pipeline.demo.population import populate
from solpay_pipeline.demo.shop import Shop, database_url, open_shop, reopen_shop
from solpay_pipeline.demo.situations import SITUATIONS
from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.server import state_file
from solpay_pipeline.localnet.server.faults import Faults
from solpay_pipeline.localnet.server.server import Node, running

CONFIG = ChainConfig(slot_seconds=0.05, seed=5)
TWO = tuple(replace(one, count=1) for one in SITUATIONS if one.name in ("unpaid_live", "paid_sol"))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a demo leaves behind, but for its jobs."""
    folder = tmp_path_factory.mktemp("demo")
    chain = Chain(CONFIG)
    with running(chain) as node, open_shop(node, database_url(folder)) as shop:
        populate(shop, TWO, lambda count: None)
        write_environment(folder, shop.environment())
    state_file.save(chain, folder / CHAIN_FILE)
    (folder / HOME).mkdir()
    (folder / MARKER).touch()
    return folder


def reopened(folder: Path) -> Iterator[Shop]:
    node = Node(state_file.load(folder / CHAIN_FILE, CONFIG), Faults(CONFIG.seed))
    with reopen_shop(node, database_url(folder)) as shop:
        yield shop


def payments(folder: Path) -> list[str]:
    engine = open_engine(database_url(folder))
    with reading(engine) as connection:
        rows = sa.text("SELECT payment_address FROM django_solana_payments_solanapayment ORDER BY id")
        found = list(connection.scalars(rows))
    engine.dispose()
    return found


def test_a_shop_that_is_opened_again_has_its_tokens_and_makes_the_next_payments_of_its_seed(
    played: Path, tmp_path: Path
) -> None:
    made = []
    for name in ("one", "two"):
        folder = Path(shutil.copytree(played, tmp_path / name))
        before = payments(folder)
        for shop in reopened(folder):
            assert {token.symbol for token in shop.tokens.values()} == {
                "SOL",
                "USDC",
                "EURC",
                "TAX",
                "wSOL",
                "HOOK",
                "SOUL",
                "HALT",
            }
            case = shop.add_case("later", ("SOL", "USDC", "TAX"), with_accounts=True)
            for mint in case.prices:
                shop.pay(case, mint)
            made.append((case.address, case.prices))
            assert shop.accept_payment(case, None)
            assert not shop.accept_payment(case, shop.mint("USDC"))
        assert str(case.address) not in before
    assert made[0] == made[1]

    for shop in reopened(tmp_path / "one"):
        assert shop.add_case("later", ("SOL",), with_accounts=True).address != made[0][0]


def test_every_habit_can_be_paid_in_what_its_payment_is_made_for(played: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(played, tmp_path / "demo"))
    for shop in reopened(folder):
        for habit in HABITS:
            case = shop.add_case(habit.sentence, habit.symbols, with_accounts=True)
            for _, deed in sorted(habit.steps, key=lambda step: step[0]):
                deed(shop, case)
            assert bool(case.signatures) == bool(habit.steps)


def test_a_folder_without_a_chain_is_no_played_demo(played: Path, tmp_path: Path) -> None:
    assert is_played(played)
    (tmp_path / MARKER).touch()
    assert not is_played(tmp_path)


@pytest.mark.slow
def test_customers_keep_paying_until_ctrl_c_and_what_they_did_is_kept(played: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(played, tmp_path / "demo"))
    settings = folder / "solpay.env"
    settings.write_text(settings.read_text().replace(str(played), str(folder)))
    landed = state_file.load(folder / CHAIN_FILE, CONFIG).history.count()
    log = tmp_path / "live.log"
    command = [sys.executable, "-c", "from solpay_pipeline.cli.app import main; main()", "demo", "--live"]
    with log.open("w") as file:
        process = subprocess.Popen([*command, "--folder", str(folder)], stderr=file, stdout=file)
        deadline = time.monotonic() + 120
        while log.read_text().count("pays") < 2:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    assert len(payments(folder)) > len(TWO)
    assert state_file.load(folder / CHAIN_FILE, CONFIG).history.count() > landed


def test_a_command_without_live_is_refused_in_one_line() -> None:
    refused = CliRunner().invoke(app, ["demo", "--", "true"])
    assert (refused.exit_code, refused.stderr) == (2, "a command runs beside `--live` only\n")
