import pickle
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.chain.sending.signing import KeyPlace
from solpay_pipeline.lifecycle.judgement import EXACT, Tolerance
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.settings.model import SETTINGS, Settings, bad_settings
from solpay_pipeline_tests.rooms.settings.environments import (
    COMPLETE,
    DATABASE_PASSWORD,
    FEE_PAYER,
    FIRST_KEY,
    HEADER_VALUE,
    RECEIVER,
    SECOND_KEY,
    SMALLEST,
    secrets_in,
)


def test_a_complete_environment_becomes_typed_settings():
    settings = Settings.from_environment(COMPLETE)

    assert settings.receiver_address == RECEIVER
    assert settings.fee_payer.keypair() == FEE_PAYER
    assert [url.get_secret_value() for url in settings.rpc_urls] == COMPLETE["SOLPAY_RPC_URLS"].split(", ")
    assert [key.get_secret_value() for key in settings.wallet_keys] == [FIRST_KEY, SECOND_KEY]
    assert settings.commitment is settings.acceptance_commitment is Commitment.FINALIZED
    assert (settings.rpc_timeout, settings.rpc_rate_limit) == (7.5, 25.0)
    one, two = (headers_for(url.get_secret_value(), settings) for url in settings.rpc_urls)
    assert (one, two) == ({"x-api-key": HEADER_VALUE, "x-shop": "one"}, {})
    assert (settings.payment_table, settings.token_table) == ("shop_orderpayment", "shop_token")
    assert (settings.transaction_version, settings.max_priority_fee) == (1, 5000)
    assert (settings.underpayment_tolerance, settings.watch_days) == (Tolerance(percent=Decimal("0.5")), 30)
    assert settings.shown()["SOLPAY_UNDERPAYMENT_TOLERANCE"] == "0.5%"
    assert (settings.max_spent_per_run, settings.max_spent_per_day) == (1_000_000, 10_000_000)
    assert settings.event_handlers == ("shop.events:on_event", "shop.audit:write")
    assert settings.django_settings == "shop.settings"


def test_the_six_required_settings_are_enough():
    settings = Settings.from_environment(SMALLEST)

    assert settings.commitment is settings.acceptance_commitment is Commitment.CONFIRMED
    assert (settings.rpc_timeout, settings.rpc_rate_limit, settings.rpc_headers) == (10.0, 0.0, None)
    assert settings.payment_table == "django_solana_payments_solanapayment"
    assert settings.token_table == "django_solana_payments_paymentcryptotoken"
    assert (settings.transaction_version, settings.max_priority_fee) == (0, 10_000)
    assert (settings.underpayment_tolerance, settings.watch_days) == (EXACT, 7)
    assert settings.webhook_url is settings.rpc_proxy is None
    assert (settings.webhook_secrets, settings.webhook_allow_private, settings.event_tries) == ((), False, 10)
    assert (settings.event_handlers, settings.django_settings) == ((), None)


REMOTE = {key: value for key, value in SMALLEST.items() if key != "SOLPAY_FEE_PAYER_KEYPAIR"} | {
    "SOLPAY_FEE_PAYER_SIGNER": "vault:https://vault.test:8200/v1x/fees",
    "SOLPAY_FEE_PAYER_ADDRESS": str(FEE_PAYER.pubkey()),
    "SOLPAY_FEE_PAYER_SIGNER_TOKEN": "hvs.token",
}


def test_the_fee_payers_key_may_be_elsewhere_and_its_token_in_a_file(tmp_path: Path):
    settings = Settings.from_environment(REMOTE)

    assert settings.fee_payer is None
    assert settings.fee_payer_signer == KeyPlace("vault", "fees", "https://vault.test:8200/v1x")
    assert settings.fee_payer_address == FEE_PAYER.pubkey()
    assert settings.shown()["SOLPAY_FEE_PAYER_SIGNER"] == "vault:https://vault.test:8200/v1x/fees"
    assert settings.shown()["SOLPAY_FEE_PAYER_SIGNER_TOKEN"] == "set"
    assert "hvs." not in repr(settings)
    file = tmp_path / "token"
    file.write_text("hvs.fresh\n")
    fresh = Settings.from_environment(
        REMOTE | {"SOLPAY_FEE_PAYER_SIGNER_TOKEN": str(file)}
    ).fee_payer_signer_token
    assert fresh is not None
    assert fresh.get_secret_value() == "hvs.fresh"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            {"SOLPAY_FEE_PAYER_KEYPAIR": str(FEE_PAYER)},
            "SOLPAY_FEE_PAYER_KEYPAIR: is given beside SOLPAY_FEE_PAYER_SIGNER; one key pays",
        ),
        (
            {"SOLPAY_FEE_PAYER_ADDRESS": ""},
            "SOLPAY_FEE_PAYER_ADDRESS: is missing, and SOLPAY_FEE_PAYER_SIGNER needs it",
        ),
        (
            {"SOLPAY_FEE_PAYER_SIGNER_TOKEN": ""},
            "SOLPAY_FEE_PAYER_SIGNER_TOKEN: is missing, and a Vault needs it",
        ),
        (
            {"SOLPAY_FEE_PAYER_SIGNER": "aws-kms:alias/fees"},
            "SOLPAY_FEE_PAYER_SIGNER_TOKEN: is given, but only a Vault has one",
        ),
    ],
)
def test_a_signer_that_does_not_add_up_is_told(change, complaint):
    assert str(bad_settings(REMOTE | change)[0]) == complaint


def test_an_empty_optional_setting_counts_as_absent():
    blank = {spec.name: " " for spec in SETTINGS if not spec.required}

    assert Settings.from_environment(SMALLEST | blank) == Settings.from_environment(SMALLEST)


def test_an_environment_that_is_right_has_nothing_to_complain_about():
    assert bad_settings(COMPLETE) == ()
    assert bad_settings(SMALLEST | {"PATH": "/bin", "SOLPAYMENT": "x"}) == ()


def test_present_but_empty_wallet_keys_mean_unencrypted():
    assert Settings.from_environment(SMALLEST | {"SOLPAY_WALLET_KEYS": ""}).wallet_keys == ()


@pytest.mark.parametrize("text", ["array", "base58", "file of an array", "file of base58", "file in home"])
def test_the_fee_payer_comes_as_an_array_as_base58_or_as_a_file(text, tmp_path: Path, monkeypatch):
    file = tmp_path / "payer.json"
    monkeypatch.setenv("HOME", str(tmp_path))
    file.write_text(str(FEE_PAYER) + "\n" if text == "file of base58" else FEE_PAYER.to_json())
    given = {"array": FEE_PAYER.to_json(), "base58": str(FEE_PAYER), "file in home": "~/payer.json"}

    settings = Settings.from_environment(SMALLEST | {"SOLPAY_FEE_PAYER_KEYPAIR": given.get(text, str(file))})

    assert settings.fee_payer.keypair() == FEE_PAYER


def test_headers_come_as_json_too():
    settings = Settings.from_environment(
        SMALLEST
        | {
            "SOLPAY_RPC_URLS": "https://one.test/a, https://one.test/b",
            "SOLPAY_RPC_HEADERS": '{"Authorization": "Bearer a=b,c"}',
        }
    )

    for url in ("https://one.test/a", "https://one.test/b"):
        assert headers_for(url, settings) == {"Authorization": "Bearer a=b,c"}


def test_headers_go_to_the_host_that_they_are_for_alone_and_by_port_where_one_is_named():
    settings = Settings.from_environment(
        SMALLEST
        | {
            "SOLPAY_RPC_URLS": "https://one.test, https://two.test:8899, https://two.test",
            "SOLPAY_RPC_HEADERS": '{"ONE.test": {"a": "1"}, "two.test:8899": {"b": "2"}}',
        }
    )

    assert headers_for("https://one.test/key", settings) == {"a": "1"}
    assert headers_for("https://two.test:8899", settings) == {"b": "2"}
    assert headers_for("https://two.test", settings) == headers_for("https://three.test", settings) == {}


def headers_for(url: str, settings: Settings) -> dict[str, str]:
    assert settings.rpc_headers is not None
    return {name: value.get_secret_value() for name, value in settings.rpc_headers.of(SecretStr(url)).items()}


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_postgresql_scheme_leads_to_the_installed_driver(scheme):
    url = f"{scheme}://u:p%40ss@host/shop?sslmode=require"

    parsed = Settings.from_environment(SMALLEST | {"SOLPAY_DATABASE_URL": url}).database_url

    assert parsed.get_secret_value() == "postgresql+psycopg://u:p%40ss@host/shop?sslmode=require"


def test_a_sqlite_file_is_taken_by_its_path():
    parsed = Settings.from_environment(SMALLEST | {"SOLPAY_DATABASE_URL": "sqlite:////srv/shop.sqlite3"})

    assert parsed.database_url.get_secret_value() == "sqlite:////srv/shop.sqlite3"
    assert parsed.shown()["SOLPAY_DATABASE_URL"] == "sqlite:////srv/shop.sqlite3"


def test_a_receiver_off_the_curve_is_fine_since_a_multisig_vault_is_one():
    vault, _ = Pubkey.find_program_address([b"vault"], Keypair().pubkey())

    assert not vault.is_on_curve()
    assert (
        Settings.from_environment(SMALLEST | {"SOLPAY_RECEIVER_ADDRESS": str(vault)}).receiver_address
        == vault
    )


def test_a_webhook_on_this_machine_may_use_plain_http():
    local = {
        "SOLPAY_WEBHOOK_URL": "http://localhost:8000/hook",
        "SOLPAY_WEBHOOK_SECRET": COMPLETE["SOLPAY_WEBHOOK_SECRET"],
    }

    assert Settings.from_environment(SMALLEST | local).webhook_url is not None


def test_settings_are_frozen():
    settings = Settings.from_environment(SMALLEST)

    with pytest.raises(ValidationError):
        settings.receiver_address = Keypair().pubkey()


def test_no_secret_shows_in_repr_str_or_dump():
    settings = Settings.from_environment(COMPLETE)

    for text in (repr(settings), str(settings), repr(settings.model_dump()), repr(settings.fee_payer)):
        assert secrets_in(text) == []


def test_what_is_shown_of_secrets_is_their_public_side():
    shown = Settings.from_environment(COMPLETE).shown()

    assert list(shown) == [row.name for row in Settings.rows()]
    assert shown["SOLPAY_DATABASE_URL"] == "postgresql://db.shop.test:5433/shop"
    assert shown["SOLPAY_RPC_URLS"] == "https://one.rpc.test, https://two.rpc.test"
    assert shown["SOLPAY_FEE_PAYER_KEYPAIR"] == str(FEE_PAYER.pubkey())
    assert shown["SOLPAY_WALLET_KEYS"] == "2 set"
    assert shown["SOLPAY_RPC_HEADERS"] == "one.rpc.test: x-api-key, one.rpc.test: x-shop"
    assert shown["SOLPAY_RPC_PROXY"] == "http://proxy.test:3128"
    assert shown["SOLPAY_WEBHOOK_SECRET"] == "1 set"
    assert shown["SOLPAY_COMMITMENT"] == "finalized"
    assert secrets_in(repr(shown)) == []


def test_what_is_not_set_is_shown_as_that():
    shown = Settings.from_environment(SMALLEST | {"SOLPAY_WALLET_KEYS": ""}).shown()

    assert shown["SOLPAY_WALLET_KEYS"] == "keypairs are stored unencrypted"
    assert shown["SOLPAY_WEBHOOK_URL"] == shown["SOLPAY_DJANGO_SETTINGS"] == "not set"
    assert shown["SOLPAY_EVENT_HANDLERS"] == shown["SOLPAY_RPC_HEADERS"] == "not set"


def test_a_keypair_is_not_pickled_with_whatever_holds_it():
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Settings.from_environment(SMALLEST))


def test_the_database_password_survives_normalising():
    assert DATABASE_PASSWORD in Settings.from_environment(SMALLEST).database_url.get_secret_value()
