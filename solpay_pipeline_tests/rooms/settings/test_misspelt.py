"""A variable that is nearly a setting stops, whichever letter is wrong; what Kubernetes injects does not."""

from collections.abc import Iterator

import pytest

from solpay_pipeline.settings.model import SETTINGS, Need, Settings, bad_settings
from solpay_pipeline_tests.rooms.settings.environments import SMALLEST

NAMES = [row.name for row in SETTINGS]


def typing_errors(name: str) -> Iterator[str]:
    for at, letter in enumerate(name):
        before, after = name[:at], name[at + 1 :]
        yield before + after
        yield before + letter + letter + after
        yield from (before + other + after for other in "AEX_7" if other != letter)
        if after and after[0] != letter:
            yield before + after[0] + letter + after[1:]


@pytest.mark.parametrize("name", NAMES)
def test_every_misspelling_by_one_letter_is_refused_with_the_right_name(name: str):
    for wrong in typing_errors(name):
        assert [str(bad) for bad in bad_settings(SMALLEST | {wrong: "x"})] == [
            f"{wrong}: is no setting; did you mean {name}?"
        ]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("SOLPAY_RPC_URL", "SOLPAY_RPC_URLS"),
        ("SOLPAY_WALLETS_KEY", "SOLPAY_WALLET_KEYS"),
        ("SOLPAY_MAX_SPEND_PER_RUNS", "SOLPAY_MAX_SPENT_PER_RUN"),
        ("SOLPAY_MAINTENENCE_CRONS", "SOLPAY_MAINTENANCE_CRON"),
    ],
)
def test_a_name_that_is_a_little_further_off_is_refused_too(wrong: str, right: str):
    (bad,) = bad_settings(SMALLEST | {wrong: "x"})

    assert str(bad) == f"{wrong}: is no setting; did you mean {right}?"


SERVICES = {
    "SOLPAY_DATABASE": "5432",
    "SOLPAY_RPC": "8899",
    "SOLPAY_WEBHOOK": "80",
    "SOLPAY_REPORTS": "80",
    "SOLPAY": "80",
}


@pytest.mark.parametrize(("service", "port"), SERVICES.items())
def test_what_kubernetes_injects_for_a_service_stops_nothing(service: str, port: str):
    injected = {
        f"{service}_SERVICE_HOST": "10.0.0.1",
        f"{service}_SERVICE_PORT": port,
        f"{service}_SERVICE_PORT_POSTGRES": port,
        f"{service}_PORT": f"tcp://10.0.0.1:{port}",
        f"{service}_PORT_{port}_TCP": f"tcp://10.0.0.1:{port}",
        f"{service}_PORT_{port}_TCP_PROTO": "tcp",
        f"{service}_PORT_{port}_TCP_PORT": port,
        f"{service}_PORT_{port}_TCP_ADDR": "10.0.0.1",
    }

    assert bad_settings(SMALLEST | injected) == ()


@pytest.mark.parametrize(
    "name", ["SOLPAY_NODE_TESTS", "SOLPAY_HOME_PAGE", "SOLPAYMENT", "SOLPAY_", "CLUSTER"]
)
def test_a_name_that_is_near_no_setting_is_ignored(name: str):
    assert bad_settings(SMALLEST | {name: "x"}) == ()


def test_a_lesser_need_is_not_stopped_by_the_misspelling_of_what_it_does_not_read():
    environ = {"SOLPAY_DATABASE_URL": SMALLEST["SOLPAY_DATABASE_URL"], "SOLPAY_CLUSTR": "devnet"}

    assert Settings.from_environment(environ, Need.DATABASE).cluster is None
