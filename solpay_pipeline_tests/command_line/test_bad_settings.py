"""A bad setting of each kind ends in one line that names it, with exit code 2, before anything else is done."""

import pytest
from solders.keypair import Keypair

from solpay_pipeline.settings.model import SETTINGS, Need
from solpay_pipeline_tests.command_line.warm import Ended, Warm, solpay
from solpay_pipeline_tests.rooms.settings.environments import COMPLETE, SMALLEST, secrets_in

BAD = {
    "SOLPAY_DATABASE_URL": "shop.sqlite3",
    "SOLPAY_RPC_URLS": "rpc.test",
    "SOLPAY_RECEIVER_ADDRESS": "abc",
    "SOLPAY_FEE_PAYER_KEYPAIR": str(list(bytes(Keypair()))[:32]),
    "SOLPAY_FEE_PAYER_SIGNER": "my-key",
    "SOLPAY_FEE_PAYER_ADDRESS": "nobody",
    "SOLPAY_FEE_PAYER_SIGNER_TOKEN": "two words",
    "SOLPAY_RECEIVER_DELAY": "a day",
    "SOLPAY_MAX_SPENT_PER_RUN": "0",
    "SOLPAY_MAX_SPENT_PER_DAY": "0.1 SOL",
    "SOLPAY_WALLET_KEYS": "too short",
    "SOLPAY_CLUSTER": "mainnet",
    "SOLPAY_COMMITMENT": "recent",
    "SOLPAY_ACCEPTANCE_COMMITMENT": "processed",
    "SOLPAY_RPC_TIMEOUT": "soon",
    "SOLPAY_RPC_LONGEST_WAIT": "long",
    "SOLPAY_RPC_RATE_LIMIT": "-1",
    "SOLPAY_RPC_HEADERS": "no header",
    "SOLPAY_RPC_PROXY": "proxy.test",
    "SOLPAY_PAYMENT_TABLE": "shop; drop table x",
    "SOLPAY_TOKEN_TABLE": "1shop_token",
    "SOLPAY_TRANSACTION_VERSION": "2",
    "SOLPAY_MAX_PRIORITY_FEE": "1.5",
    "SOLPAY_UNDERPAYMENT_TOLERANCE": "a bit",
    "SOLPAY_WATCH_DAYS": "a week",
    "SOLPAY_WEBHOOK_URL": "ftp://hooks.test",
    "SOLPAY_WEBHOOK_SECRET": "whsec_!!!",
    "SOLPAY_WEBHOOK_ALLOW_PRIVATE": "perhaps",
    "SOLPAY_WEBHOOK_PROXY": "proxy.test",
    "SOLPAY_EVENT_TRIES": "0",
    "SOLPAY_EVENT_HANDLERS": "shop.events.on_event",
    "SOLPAY_EVENT_HANDLER_TIMEOUT": "never",
    "SOLPAY_DJANGO_SETTINGS": "shop/settings.py",
    "SOLPAY_MAINTENANCE_CRON": "every day",
    "SOLPAY_MAINTENANCE_TIMEZONE": "Europe",
    "SOLPAY_RECHECK_INTERVAL": "1",
    "SOLPAY_RECHECK_PAGE": "0",
    "SOLPAY_REPORTS_CRON": "hourly",
    "SOLPAY_AUTOMATION_RUNNING": "perhaps",
}
COMMANDS = ("expire", "sweep", "reclaim", "recheck", "maintain", "init")
KEYLESS = ("init",)
"""What reads no key."""
REQUIRED = sorted(SMALLEST)
KEYS = {row.name for row in SETTINGS if row.need is Need.SIGN}


def assert_refused(ended: Ended, name: str) -> None:
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"{name}: ")
    assert ended.stderr.count("\n") == 1
    assert "Traceback" not in ended.stderr
    assert secrets_in(ended.stderr) == []


def test_the_table_of_bad_settings_has_each_of_them() -> None:
    assert sorted(BAD) == sorted(spec.name for spec in SETTINGS)


def readers_of(name: str) -> list[str]:
    """The commands that need this setting."""
    return [command for command in COMMANDS if name not in KEYS or command not in KEYLESS]


def one_reader_each() -> list[tuple[str, str]]:
    """Each setting with one of its commands, all in turn."""
    return [(name, readers_of(name)[place % len(readers_of(name))]) for place, name in enumerate(BAD)]


@pytest.mark.parametrize(("name", "command"), one_reader_each())
def test_a_bad_setting_stops_a_command_with_one_line_that_names_it(
    warm: Warm, name: str, command: str
) -> None:
    assert_refused(warm.run(COMPLETE | {name: BAD[name]}, command), name)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_setting_stops_every_command_with_one_line_that_names_it(warm: Warm, name: str) -> None:
    environment = {key: value for key, value in SMALLEST.items() if key != name}
    for command in readers_of(name):
        ended = warm.run(environment, command)
        assert_refused(ended, name)
        assert "is missing" in ended.stderr


def test_a_misspelt_setting_stops_with_the_right_name(warm: Warm) -> None:
    ended = warm.run(SMALLEST | {"SOLPAY_RECIEVER_ADDRESS": "x"}, "sweep")
    assert_refused(ended, "SOLPAY_RECIEVER_ADDRESS")
    assert "SOLPAY_RECEIVER_ADDRESS" in ended.stderr


def test_a_shell_without_any_setting_gets_a_line_for_each() -> None:
    ended = solpay({}, "sweep")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert [line.split(": is missing")[0] for line in ended.stderr.splitlines()] == [
        "SOLPAY_DATABASE_URL",
        "SOLPAY_RPC_URLS",
        "SOLPAY_CLUSTER",
        "SOLPAY_RECEIVER_ADDRESS",
    ]


@pytest.mark.parametrize(
    ("command", "options", "word"),
    [
        ("recheck", ["--limit", "0"], "limit"),
        ("recheck", ["--limit", "many"], "--limit"),
        ("sweep", ["--sleep", "-1"], "sleep"),
        ("reclaim", ["--sleep", "nan"], "sleep"),
        ("sweep", ["--max-runtime", "0"], "max_runtime"),
        ("sweep", ["--max-runtime", "inf"], "max_runtime"),
        ("expire", ["--watch-days", "-1"], "watch_days"),
        ("recheck", ["--underpayment-tolerance", "x"], "underpayment_tolerance"),
        ("expire", ["--underpayment-tolerance", "100%"], "underpayment_tolerance"),
        ("maintain", ["--underpayment-tolerance", "NaN%"], "underpayment_tolerance"),
        ("maintain", ["--underpayment-tolerance", "-5"], "underpayment_tolerance"),
        ("sweep", ["--payment-id", "first"], "--payment-id"),
        ("sweep", ["--no-such-option"], "--no-such-option"),
    ],
)
def test_a_bad_option_is_refused_by_its_name(warm: Warm, command: str, options: list[str], word: str) -> None:
    ended = warm.run(SMALLEST, command, *options)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert word in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_unknown_command_is_bad_usage(warm: Warm) -> None:
    ended = warm.run(SMALLEST, "swipe")
    assert ended.returncode == 2
    assert "swipe" in ended.stderr
