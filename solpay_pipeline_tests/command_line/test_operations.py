"""The operations from a shell: exit codes, dry runs, JSON, and what is refused before anything is signed."""

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from solders.keypair import Keypair

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.token_layout import MEMO_PROGRAM
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline_tests.command_line.warm import REPOSITORY, SOLPAY, Warm, bare_environment
from solpay_pipeline_tests.shop import Customer, Shop, open_shop

OPERATIONS = ("expire", "sweep", "reclaim", "recheck", "maintain")


@contextmanager
def busy_shop(folder: Path) -> Iterator[tuple[Shop, dict[str, Customer]]]:
    """Work for each operation: one to accept, one to sweep, one to expire, one to close."""
    with open_shop(folder) as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        customers = {
            "closing": shop.new_payment(status=PaymentStatus.EXPIRED, state=WalletState.PAYMENT_EXPIRED),
            "due": shop.new_payment(),
            "paid": shop.new_payment(),
            "accepted": shop.new_payment(
                status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT
            ),
        }
        shop.pay_token(customers["paid"], mint)
        shop.pay_token(customers["accepted"], mint)
        shop.wait(hours=1)
        yield shop, customers


def dump(shop: Shop) -> list[str]:
    path = shop.database_url.removeprefix("sqlite:///")
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def test_a_dry_run_of_every_operation_plans_and_writes_nothing(warm: Warm, tmp_path: Path) -> None:
    with busy_shop(tmp_path) as (shop, _):
        rows, transactions = dump(shop), shop.chain.history.count()
        for operation in OPERATIONS:
            ended = warm.run(shop.environment(), operation, "--dry-run", "--json")
            assert (ended.returncode, ended.stderr) == (0, "")
            outcomes = {outcome["operation"]: outcome for outcome in ended.json()}
            assert all(outcome["dry_run"] for outcome in outcomes.values())
            match operation:
                case "expire":
                    assert (outcomes["expire"]["accepted"], outcomes["expire"]["expired"]) == (1, 1)
                case "sweep":
                    assert outcomes["sweep"]["amounts"] == {str(shop.mints[0]): "5000000"}
                    assert outcomes["sweep"]["transactions"] == 1
                case "reclaim":
                    assert outcomes["reclaim"]["transactions"] == 1
                case "recheck":
                    assert outcomes["recheck"]["accepted"] == 1
                case "maintain":
                    assert list(outcomes) == ["expire", "sweep", "reclaim"]
        assert dump(shop) == rows
        assert shop.chain.history.count() == transactions
        assert shop.node.calls["sendTransaction"] == 0


def test_all_done_is_exit_code_0_and_a_second_run_has_nothing_to_do(warm: Warm, tmp_path: Path) -> None:
    with busy_shop(tmp_path) as (shop, customers):
        first = warm.run(shop.environment(), "maintain", "--json")
        assert (first.returncode, first.stderr) == (0, "")
        expire, sweep, reclaim = first.json()
        assert (expire["accepted"], expire["expired"], expire["closed"]) == (1, 1, 1)
        assert (sweep["swept"], reclaim["closed"]) == (2, 1)
        assert len({outcome["run_id"] for outcome in (expire, sweep, reclaim)}) == 1
        second = warm.run(shop.environment(), "maintain", "--json").json()
        assert [outcome["transactions"] for outcome in second] == [0, 0, 0]
        assert shop.state(customers["paid"]) == shop.state(customers["accepted"]) == "sent_funds"


def test_a_wallet_that_was_set_aside_makes_exit_code_1_and_is_told_with_its_reason(
    warm: Warm, tmp_path: Path
) -> None:
    with busy_shop(tmp_path) as (shop, customers):
        frozen = customers["accepted"]
        mint = shop.mints[0]
        shop.seed.freeze(shop.ata(frozen.address, mint), mint)
        shop.settle_chain()
        as_json = warm.run(shop.environment(), "sweep", "--json")
        assert as_json.returncode == 1
        (aside,) = as_json.json()[0]["set_aside"]
        assert (aside["wallet_id"], aside["payment_id"]) == (frozen.wallet_id, frozen.payment_id)
        assert "frozen" in aside["explanation"]
        as_table = warm.run(shop.environment(), "maintain")
        assert as_table.returncode == 1
        assert "set aside" in as_table.stdout
        assert aside["explanation"] in as_table.stdout
        assert shop.state(customers["paid"]) == "sent_funds"


def test_only_the_payments_that_are_named_are_touched(warm: Warm, tmp_path: Path) -> None:
    with busy_shop(tmp_path) as (shop, customers):
        paid, due = customers["paid"], customers["due"]
        ended = warm.run(
            shop.environment(), "expire", "--payment-id", str(due.payment_id), "--no-close-wallets"
        )
        assert ended.returncode == 0
        assert (shop.status(due), shop.state(due)) == ("expired", "payment_expired")
        assert shop.status(paid) == "initiated"
        ids = ["--payment-id", str(paid.payment_id), "--payment-id", str(due.payment_id)]
        assert warm.run(shop.environment(), "recheck", *ids, "--no-forward-funds").returncode == 0
        assert (shop.status(paid), shop.state(paid)) == ("confirmed", "processing_payment")
        assert shop.state(customers["accepted"]) == "processing_payment"


def test_a_time_limit_stops_a_run_cleanly_and_says_what_is_left(warm: Warm, tmp_path: Path) -> None:
    with busy_shop(tmp_path) as (shop, customers):
        ended = warm.run(shop.environment(), "sweep", "--max-runtime", "0.000001", "--json")
        assert ended.returncode == 1
        assert "left undone" in ended.json()[0]["left_undone"][0]
        assert ended.json()[0]["stopped_reason"] == "max_runtime"
        assert shop.state(customers["accepted"]) == "processing_payment"


def test_a_receiver_that_is_one_of_our_wallets_stops_before_anything_is_signed(
    warm: Warm, tmp_path: Path
) -> None:
    with busy_shop(tmp_path) as (shop, customers):
        assert_blocked(warm, shop, str(customers["due"].address), "one of the shop's own one-time wallets")


def test_a_receiver_that_is_a_token_account_stops_before_anything_is_signed(
    warm: Warm, tmp_path: Path
) -> None:
    with busy_shop(tmp_path) as (shop, _):
        account = shop.seed.create_ata(Keypair().pubkey(), shop.mints[0])
        shop.settle_chain()
        assert_blocked(warm, shop, str(account), "a token account or a mint, not a wallet")


def test_a_receiver_that_is_a_mint_stops_before_anything_is_signed(warm: Warm, tmp_path: Path) -> None:
    with busy_shop(tmp_path) as (shop, _):
        assert_blocked(warm, shop, str(shop.mints[0]), "a token account or a mint, not a wallet")


def test_a_receiver_that_is_a_program_stops_before_anything_is_signed(warm: Warm, tmp_path: Path) -> None:
    with busy_shop(tmp_path) as (shop, _):
        program = Keypair().pubkey()
        shop.chain.put_account(program, shop.chain.accounts.newest(MEMO_PROGRAM))
        shop.settle_chain()
        assert_blocked(warm, shop, str(program), "a program, not a wallet")


def assert_blocked(warm: Warm, shop: Shop, receiver: str, words: str) -> None:
    rows = dump(shop)
    for operation in OPERATIONS:
        ended = warm.run(shop.environment() | {"SOLPAY_RECEIVER_ADDRESS": receiver}, operation)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert words in ended.stderr
        assert "SOLPAY_RECEIVER_ADDRESS" in ended.stderr
        assert ended.stderr.count("\n") == 1
    assert dump(shop) == rows
    assert shop.node.calls["sendTransaction"] == 0


@pytest.mark.parametrize(
    "cluster", ["mainnet-beta", "devnet", "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG"]
)
def test_another_cluster_than_the_one_named_stops_before_anything_is_signed(
    warm: Warm, tmp_path: Path, cluster: str
) -> None:
    with busy_shop(tmp_path) as (shop, _):
        rows = dump(shop)
        ended = warm.run(shop.environment() | {"SOLPAY_CLUSTER": cluster}, "maintain")
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "cluster" in ended.stderr.lower() or "genesis" in ended.stderr.lower()
        assert ended.stderr.count("\n") == 1
        assert dump(shop) == rows
        assert shop.node.calls["sendTransaction"] == 0


def test_an_empty_fee_payer_stops_before_anything_is_signed(warm: Warm, tmp_path: Path) -> None:
    with busy_shop(tmp_path) as (shop, customers):
        poor = Keypair()
        ended = warm.run(shop.environment() | {"SOLPAY_FEE_PAYER_KEYPAIR": poor.to_json()}, "sweep")
        assert ended.returncode == 1
        assert f"the fee payer {poor.pubkey()} has 0" in ended.stdout
        assert shop.transactions() == []
        assert shop.state(customers["accepted"]) == "failed_to_send_funds", "the next sweep takes it"


def test_a_database_without_tables_is_told_in_one_line(warm: Warm, tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        ended = warm.run(
            shop.environment() | {"SOLPAY_DATABASE_URL": f"sqlite:///{tmp_path / 'empty.db'}"}, "sweep"
        )
        assert ended.returncode == 1
        assert "run `solpay init`" in ended.stderr
        assert ended.stderr.count("\n") == 1


def test_a_database_that_cannot_be_opened_is_told_in_one_line(warm: Warm, tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        nowhere = {"SOLPAY_DATABASE_URL": f"sqlite:///{tmp_path / 'no' / 'such' / 'folder' / 'shop.db'}"}
        for command in ("sweep", "init"):
            ended = warm.run(shop.environment() | nowhere, command)
            assert ended.returncode in (1, 2)
            assert ended.stderr.count("\n") == 1
            assert "Traceback" not in ended.stderr


def test_a_node_that_refuses_the_key_fails_at_once_with_one_line(warm: Warm, tmp_path: Path) -> None:
    with busy_shop(tmp_path) as (shop, _):
        shop.node.faults.add(Fault("server_error", status=401))
        ended = warm.run(shop.environment(), "sweep")
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "401" in ended.stderr
        assert ended.stderr.count("\n") == 1


def test_the_json_of_an_outcome_carries_amounts_as_text(warm: Warm, tmp_path: Path) -> None:
    with busy_shop(tmp_path) as (shop, _):
        (outcome,) = json.loads(warm.run(shop.environment(), "sweep", "--json").stdout)
        assert outcome["amounts"] == {str(shop.mints[0]): "5000000"}
        assert int(outcome["fee_lamports"]) > 0
        assert int(outcome["rent_lamports"]) > 0
        assert len(outcome["signatures"]) == outcome["transactions"]


def test_what_the_others_did_is_told_in_json_too_where_one_operation_fails(
    warm: Warm, tmp_path: Path
) -> None:
    with busy_shop(tmp_path) as (shop, customers):
        shop.node.faults.add(
            Fault("rpc_error", methods={"getSignaturesForAddress"}, code=-32601, message="no such method")
        )
        ended = warm.run(shop.environment(), "maintain", "--json")
        assert ended.returncode == 1
        outcomes = {one["operation"]: one for one in ended.json()}
        assert list(outcomes) == ["expire", "sweep", "reclaim"]
        assert outcomes["expire"]["failure"] is not None
        assert (outcomes["sweep"]["failure"], outcomes["sweep"]["swept"]) == (None, 1)
        assert shop.state(customers["accepted"]) == "sent_funds"
        assert ended.stderr == f"expire, reclaim: {outcomes['expire']['failure']}\n", "each cause once"


def test_a_limit_and_its_endpoint_are_the_last_word_of_a_command_that_could_not_wait_any_longer(
    warm: Warm, tmp_path: Path
) -> None:
    with busy_shop(tmp_path) as (shop, _):
        shop.node.faults.add(Fault("rate_limit", retry_after=3600))
        ended = warm.run(shop.environment(), "maintain", hurried=True)
        assert (ended.returncode, ended.stdout) == (1, "")
        (line,) = ended.stderr.splitlines()
        assert line.startswith(f"expire: RateLimited: {shop.node.url}")
        assert "asks for a wait of 3600 s, and at most 120 s are waited" in line


@pytest.mark.slow
def test_a_shell_that_closed_stderr_sweeps_all_the_same(tmp_path: Path) -> None:
    with busy_shop(tmp_path) as (shop, customers):
        closed = subprocess.run(
            ["sh", "-c", 'exec "$@" 2>&-', "sh", *SOLPAY, "sweep"],
            check=False,
            cwd=REPOSITORY,
            env=bare_environment() | shop.environment(),
            stdout=subprocess.PIPE,
            timeout=60,
        )
        assert closed.returncode == 0
        assert shop.state(customers["accepted"]) == "sent_funds"


@pytest.mark.slow
def test_two_commands_that_make_the_storage_of_one_new_home_both_run_and_leave_it_usable(
    tmp_path: Path,
) -> None:
    with busy_shop(tmp_path) as (shop, _):
        for number in range(3):
            home = tmp_path / f"home {number}"
            home.mkdir()
            environment = shop.environment() | {"DAGSTER_HOME": str(home)}
            both = [
                subprocess.Popen(
                    [*SOLPAY, "reclaim"],
                    cwd=REPOSITORY,
                    env=bare_environment() | environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                )
                for _ in range(2)
            ]
            complaints = [one.communicate(timeout=60)[1] for one in both]
            assert [one.returncode for one in both] == [0, 0]
            assert not any("cannot be used" in complaint for complaint in complaints)
            with dg.DagsterInstance.from_config(str(home)) as instance:
                assert len(instance.get_runs()) == 2


@pytest.mark.parametrize("broken", ["missing", "not a database", "bad configuration"])
def test_a_command_whose_home_is_broken_goes_on_without_it_and_says_so(
    warm: Warm, tmp_path: Path, broken: str
) -> None:
    home = tmp_path / "home"
    if broken == "not a database":
        (home / "history").mkdir(parents=True)
        (home / "history" / "runs.db").write_text("not a database" * 100)
    if broken == "bad configuration":
        home.mkdir()
        (home / "dagster.yaml").write_text("storage: [")
    with busy_shop(tmp_path) as (shop, customers):
        ended = warm.run(shop.environment() | {"DAGSTER_HOME": str(home)}, "sweep")
        assert ended.returncode == 0
        assert f"DAGSTER_HOME={home} cannot be used" in ended.stderr
        assert shop.state(customers["accepted"]) == "sent_funds"
