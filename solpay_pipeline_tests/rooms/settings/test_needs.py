"""Each reads what it needs: who writes one row into a table is not stopped by a missing key."""

import pytest

from solpay_pipeline.settings.model import (
    SETTINGS,
    BadSetting,
    BadSettings,
    Need,
    Settings,
    bad_settings,
    needed,
)
from solpay_pipeline_tests.rooms.settings.environments import COMPLETE, RECEIVER, SMALLEST

REQUIRED = {
    Need.DATABASE: ["SOLPAY_DATABASE_URL"],
    Need.WATCH: [
        "SOLPAY_DATABASE_URL",
        "SOLPAY_RPC_URLS",
        "SOLPAY_CLUSTER",
        "SOLPAY_RECEIVER_ADDRESS",
    ],
}
REQUIRED[Need.OPERATE] = REQUIRED[Need.WATCH]
REQUIRED[Need.SIGN] = [*REQUIRED[Need.WATCH], "SOLPAY_FEE_PAYER_KEYPAIR", "SOLPAY_WALLET_KEYS"]


@pytest.mark.parametrize("need", Need)
def test_just_what_is_needed_must_be_there(need: Need):
    assert [bad.name for bad in bad_settings({}, need)] == REQUIRED[need]
    assert bad_settings({name: SMALLEST[name] for name in REQUIRED[need]}, need) == ()


@pytest.mark.parametrize("need", Need)
def test_what_is_not_needed_is_neither_read_nor_complained_of(need: Need):
    beyond = {row.name for row in SETTINGS if row.need > need}
    garbled = COMPLETE | dict.fromkeys(beyond, "\x00")

    settings = Settings.from_environment(garbled, need)

    for row in Settings.rows():
        expected = (
            row.default if row.name in beyond else getattr(Settings.from_environment(COMPLETE), row.field)
        )
        assert getattr(settings, row.field) == expected, row.name


def test_keys_that_were_not_read_are_not_taken_for_unencrypted_wallets():
    environ = SMALLEST | {"SOLPAY_WALLET_KEYS": ""}

    assert Settings.from_environment(environ, Need.OPERATE).wallet_keys is None
    assert Settings.from_environment(environ, Need.SIGN).wallet_keys == ()
    assert Settings.from_environment(environ, Need.OPERATE).shown()["SOLPAY_WALLET_KEYS"] == "not set"


def test_a_value_that_was_not_read_is_named_when_it_is_needed_after_all():
    assert needed(RECEIVER, "SOLPAY_RECEIVER_ADDRESS") == RECEIVER
    assert needed((), "SOLPAY_WALLET_KEYS") == ()
    with pytest.raises(BadSetting, match=r"^SOLPAY_CLUSTER: is missing$"):
        needed(Settings.from_environment(SMALLEST, Need.DATABASE).cluster, "SOLPAY_CLUSTER")


def test_all_that_is_wrong_is_reported_at_once_also_what_does_not_go_together():
    environ = SMALLEST | {
        "SOLPAY_RPC_URL": "x",
        "SOLPAY_CLUSTER": "moon",
        "SOLPAY_RECEIVER_ADDRESS": "",
        "SOLPAY_WEBHOOK_URL": "https://hooks.shop.test",
        "SOLPAY_FEE_PAYER_SIGNER": "aws-kms:alias/fees",
        "SOLPAY_MAINTENANCE_CRON": "often",
    }

    with pytest.raises(BadSettings) as refused:
        Settings.from_environment(environ)

    assert str(refused.value).splitlines() == [
        "SOLPAY_RPC_URL: is no setting; did you mean SOLPAY_RPC_URLS?",
        "SOLPAY_CLUSTER: 'moon' is not mainnet-beta, devnet, testnet, localnet, or a genesis hash (base58, 32 bytes)",
        "SOLPAY_RECEIVER_ADDRESS: is empty",
        "SOLPAY_MAINTENANCE_CRON: 'often' is not a cron expression of five fields",
        "SOLPAY_WEBHOOK_SECRET: is missing, and SOLPAY_WEBHOOK_URL needs it to sign",
        "SOLPAY_FEE_PAYER_KEYPAIR: is given beside SOLPAY_FEE_PAYER_SIGNER; one key pays",
        "SOLPAY_FEE_PAYER_ADDRESS: is missing, and SOLPAY_FEE_PAYER_SIGNER needs it",
    ]
    assert (refused.value.name, len(refused.value.problems)) == ("SOLPAY_RPC_URL", 7)


def test_a_bad_value_is_one_line_and_not_also_a_contradiction():
    environ = COMPLETE | {"SOLPAY_WEBHOOK_URL": "ftp://hooks.test"}

    assert [bad.name for bad in bad_settings(environ)] == ["SOLPAY_WEBHOOK_URL"]
