"""Options of commands, of management commands and of run config are made of the same classes."""

import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal

import pytest
from click import Context, Option
from typer.main import get_command

from solpay_pipeline.cli.app import app
from solpay_pipeline.cli.options import options_of
from solpay_pipeline.defs.jobs import OPERATION_JOBS
from solpay_pipeline.lifecycle.judgement import Tolerance
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.wiring.choices import CHOICES, Judging
from solpay_pipeline_tests.command_line.warm import REPOSITORY, Warm
from solpay_pipeline_tests.shop import Shop, open_shop

SHELL_ONLY = {"--underpayment-tolerance", "--check-history", "--watch-days", "--json"}


def click_options(command: str) -> dict[str, Option]:
    group = get_command(app)
    found = group.get_command(Context(group), command)  # type: ignore[attr-defined]
    return {option.opts[0]: option for option in found.params}


@pytest.mark.parametrize("command", [*CHOICES])
def test_every_field_of_a_runs_config_is_an_option_with_the_same_words_and_default(command: str) -> None:
    schema = OPERATION_JOBS[command].run_config_schema.run_config_schema_type
    fields = schema.fields["ops"].config_type.fields["config"].config_type.fields
    options = click_options(command)
    by_field = {option.name: option for option in options.values()}
    for name, field in fields.items():
        assert (by_field[name].help or "").startswith(field.description), name
        default = by_field[name].default
        assert (list(default) if isinstance(default, tuple) else default) == (
            CHOICES[command].model_fields[name].default
        )
    assert {flag for flag, option in options.items() if option.name not in fields} <= SHELL_ONLY


@pytest.mark.parametrize("command", [*CHOICES])
def test_a_command_has_the_options_that_its_management_command_is_made_of(command: str) -> None:
    assert [*click_options(command)] == [option.flag for option in options_of(command)]


@pytest.fixture
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory.mktemp("shop")) as made:
        made.accept_sol()
        yield made


def test_a_shell_may_judge_otherwise_than_its_settings(shop: Shop, warm: Warm) -> None:
    short = shop.new_payment()
    shop.pay_sol(short, "0.0996")
    shop.settle_chain()
    environment = shop.environment() | {"SOLPAY_UNDERPAYMENT_TOLERANCE": "0.5%"}
    assert warm.run(environment, "recheck", "--underpayment-tolerance", "0").returncode == 0
    assert shop.status(short) == "initiated"
    assert warm.run(shop.environment(), "recheck", "--underpayment-tolerance", "0.5%").returncode == 0
    assert shop.status(short) == "confirmed"


def test_a_shell_may_watch_longer_than_its_settings_say(shop: Shop, warm: Warm) -> None:
    late = shop.new_payment(status=PaymentStatus.EXPIRED, state=WalletState.CLOSED)
    shop.wait(hours=1)
    shop.pay_sol(late)
    shop.settle_chain()
    environment = shop.environment() | {"SOLPAY_WATCH_DAYS": "0"}
    assert warm.run(environment, "expire").returncode == 0
    assert shop.state(late) == "payment_expired_and_wallet_closed"
    assert warm.run(environment, "expire", "--watch-days", "1").returncode == 0
    assert shop.state(late) == "received_funds"


def test_a_shell_may_do_without_histories(shop: Shop, warm: Warm) -> None:
    unpaid = shop.new_payment()
    shop.wait(hours=1)
    asked = shop.node.calls["getSignaturesForAddress"]
    assert warm.run(shop.environment(), "expire", "--no-check-history").returncode == 0
    assert shop.status(unpaid) == "expired"
    assert shop.node.calls["getSignaturesForAddress"] == asked


def test_what_a_shell_does_not_say_stays_as_the_settings_have_it() -> None:
    from solpay_pipeline.cli.options import ExpiryOptions, JudgingOptions

    settled = Judging(tolerance=Tolerance(percent=Decimal(1)), watch_days=3, check_history=True)
    assert JudgingOptions().judging(settled) == settled
    assert ExpiryOptions().judging(settled) == settled
    assert ExpiryOptions(watch_days=9, check_history=False).judging(settled) == Judging(
        tolerance=Tolerance(percent=Decimal(1)), watch_days=9, check_history=False
    )


def test_wiring_makes_its_objects_without_dagster() -> None:
    names = [path.stem for path in (REPOSITORY / "solpay_pipeline" / "wiring").glob("*.py")]
    modules = ", ".join(f"solpay_pipeline.wiring.{name}" for name in names if name != "__init__")
    code = f"import sys, {modules}; assert 'dagster' not in sys.modules"
    assert len(names) > 5
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
