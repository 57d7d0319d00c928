"""A Django project's settings are ours: nothing is configured twice. Each case is a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from solders.keypair import Keypair

FEE_PAYER, RECEIVER, KEY = Keypair(), str(Keypair().pubkey()), Fernet.generate_key().decode()
PEER: dict[str, Any] = {
    "RPC_URL": "https://rpc.shop.test/token",
    "RECEIVER_ADDRESS": RECEIVER,
    "FEE_PAYER_KEYPAIR": list(bytes(FEE_PAYER)),
    "ONE_TIME_WALLETS_ENCRYPTION_KEY": KEY,
}
POSTGRES = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "shop",
    "USER": "me",
    "PASSWORD": "p@ss/word",
    "HOST": "db.shop.test",
    "PORT": 5433,
    "OPTIONS": {"sslmode": "require", "pool": True},
}
PROJECT = {"SOLANA_PAYMENTS": PEER, "DATABASES": {"default": POSTGRES}, "SOLPAY": {"CLUSTER": "devnet"}}
READ = """
import json, os
from solpay_pipeline.settings.headers import SecretHeaders
from solpay_pipeline.settings.model import Settings, BadSetting
try:
    settings = Settings.from_environment(os.environ)
    headers = settings.rpc_headers or SecretHeaders()
except BadSetting as bad:
    print(json.dumps({"bad": str(bad)}))
else:
    print(json.dumps({
        **settings.shown(),
        "database_url": settings.database_url.get_secret_value(),
        "wallet_keys": [key.get_secret_value() for key in settings.wallet_keys],
        "headers": {name: value.get_secret_value() for name, value in headers.of(settings.rpc_urls[0]).items()},
    }))
"""


def read(project: dict[str, Any], **environment: str) -> Any:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("SOLPAY_", "DJANGO_"))}
    ended = subprocess.run(
        [sys.executable, "-c", READ],
        env=bare
        | {
            "UNFIT": json.dumps(project),
            "SOLPAY_DJANGO_SETTINGS": "solpay_pipeline_tests.beside_the_peer.drop_in.unfit_settings",
            "PYTHONPATH": str(Path(__file__).resolve().parents[3]),
        }
        | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_a_project_of_the_peer_needs_only_the_clusters_name_beside():
    settings = read(PROJECT)

    assert settings["database_url"] == (
        "postgresql+psycopg://me:p%40ss%2Fword@db.shop.test:5433/shop?sslmode=require"
    )
    assert settings["SOLPAY_RPC_URLS"] == "https://rpc.shop.test"
    assert settings["SOLPAY_RECEIVER_ADDRESS"] == RECEIVER
    assert settings["SOLPAY_FEE_PAYER_KEYPAIR"] == str(FEE_PAYER.pubkey())
    assert settings["wallet_keys"] == [KEY]
    assert settings["SOLPAY_CLUSTER"] == "devnet"
    assert (settings["SOLPAY_COMMITMENT"], settings["SOLPAY_RPC_TIMEOUT"]) == ("confirmed", "10")


def test_everything_the_peer_can_be_told_is_taken_over():
    peer = PEER | {
        "RPC_COMMITMENT": "finalized",
        "PAYMENT_ACCEPTANCE_COMMITMENT": "finalized",
        "RPC_TIMEOUT": 7,
        "RPC_RATE_LIMIT": 5,
        "RPC_EXTRA_HEADERS": {"x-api-key": "a,b=c"},
        "RPC_PROXY": "http://proxy.test:3128",
        "ONE_TIME_WALLETS_ENCRYPTION_ENABLED": False,
        "FEE_PAYER_KEYPAIR": str(FEE_PAYER),
        "MAX_ATAS_PER_TX": 4,
    }
    settings = read(PROJECT | {"SOLANA_PAYMENTS": peer})

    assert settings["SOLPAY_COMMITMENT"] == settings["SOLPAY_ACCEPTANCE_COMMITMENT"] == "finalized"
    assert (settings["SOLPAY_RPC_TIMEOUT"], settings["SOLPAY_RPC_RATE_LIMIT"]) == ("7", "5")
    assert settings["headers"] == {"x-api-key": "a,b=c"}
    assert settings["SOLPAY_RPC_PROXY"] == "http://proxy.test:3128"
    assert settings["wallet_keys"] == []


def test_the_environment_wins_over_the_projects_own_dict_and_that_over_the_peers():
    project = PROJECT | {
        "SOLPAY": {
            "CLUSTER": "devnet",
            "RPC_URLS": ["https://one.test", "https://two.test"],
            "RPC_TIMEOUT": 3,
        }
    }

    settings = read(project, SOLPAY_RPC_TIMEOUT="4", SOLPAY_CLUSTER="testnet")

    assert settings["SOLPAY_RPC_URLS"] == "https://one.test, https://two.test"
    assert (settings["SOLPAY_RPC_TIMEOUT"], settings["SOLPAY_CLUSTER"]) == ("4", "testnet")


def test_custom_models_are_found_by_their_django_names(tmp_path: Path):
    project = {
        **PROJECT,
        "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "shop.db")}},
        "INSTALLED_APPS": [
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django_solana_payments",
            "solpay_pipeline_tests.beside_the_peer.peer.shop",
        ],
        "SOLANA_PAYMENTS": PEER | {"SOLANA_PAYMENT_MODEL": "shop.ShopOrder"},
    }

    settings = read(project)

    assert settings["SOLPAY_PAYMENT_TABLE"] == "shop_shoporder"
    assert settings["SOLPAY_TOKEN_TABLE"] == "django_solana_payments_paymentcryptotoken"
    assert settings["database_url"] == f"sqlite:///{tmp_path / 'shop.db'}"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"SOLPAY": {}}, "SOLPAY_CLUSTER: is missing"),
        (
            {"SOLPAY": {"CLUSTR": "x"}},
            "SOLPAY_DJANGO_SETTINGS: names a project whose SOLPAY['CLUSTR'] is no setting",
        ),
        (
            {"SOLANA_PAYMENTS": PEER | {"RECEIVER_ADDRESS": "nobody"}},
            (
                "SOLPAY_RECEIVER_ADDRESS: 'nobody' is not a base58 Solana address (32 bytes) "
                "(from SOLANA_PAYMENTS['RECEIVER_ADDRESS'])"
            ),
        ),
        (
            {"SOLANA_PAYMENTS": PEER | {"FEE_PAYER_KEYPAIR": "secret-of-mine"}},
            (
                "SOLPAY_FEE_PAYER_KEYPAIR: is neither a JSON array of 64 numbers, nor base58 of 64 bytes, nor a file with "
                "one of them (from SOLANA_PAYMENTS['FEE_PAYER_KEYPAIR'])"
            ),
        ),
        (
            {"DATABASES": {"default": {"ENGINE": "django.db.backends.mysql", "NAME": "shop"}}},
            "SOLPAY_DJANGO_SETTINGS: names a project on django.db.backends.mysql; only SQLite and PostgreSQL are supported",
        ),
        (
            {"SOLANA_PAYMENTS": PEER | {"ONE_TIME_WALLETS_ENCRYPTION_KEY": None}},
            "SOLPAY_WALLET_KEYS: is missing",
        ),
    ],
)
def test_what_does_not_fit_is_one_line_that_tells_where_it_stands(change: dict[str, Any], complaint: str):
    told = read(PROJECT | change)["bad"]

    assert told.startswith(complaint)
    assert "secret-of-mine" not in told
    assert "\n" not in told


SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.db"}
LOCAL = "SOLPAY_DJANGO_SETTINGS: names a project that writes the local times of America/Bogota into SQLite"


@pytest.mark.parametrize(
    "change",
    [
        {"USE_TZ": False, "TIME_ZONE": "America/Bogota"},
        {"USE_TZ": True, "DATABASES": {"default": SQLITE | {"TIME_ZONE": "America/Bogota"}}},
    ],
    ids=["without zones", "by the database's own zone"],
)
@pytest.mark.parametrize("is_given", [False, True], ids=["from Django", "given"])
def test_a_shop_whose_times_in_sqlite_are_local_is_refused(
    change: dict[str, Any], is_given: bool, tmp_path: Path
):
    given = {"SOLPAY_DATABASE_URL": f"sqlite:///{tmp_path / 'shop.db'}"} if is_given else {}
    told = read(PROJECT | {"DATABASES": {"default": SQLITE}} | change, **given)["bad"]
    assert told.startswith(LOCAL)


@pytest.mark.parametrize(
    "project",
    [
        {"DATABASES": {"default": SQLITE}, "USE_TZ": False, "TIME_ZONE": "UTC"},
        {"DATABASES": {"default": SQLITE}, "USE_TZ": True, "TIME_ZONE": "America/Bogota"},
        {"USE_TZ": False, "TIME_ZONE": "America/Bogota"},
    ],
    ids=["universal times", "with zones", "PostgreSQL keeps zones"],
)
def test_a_shop_whose_times_are_clear_is_taken(project: dict[str, Any]):
    assert "bad" not in read(PROJECT | project)


def test_an_engine_that_wraps_another_is_taken_where_the_database_is_given(tmp_path: Path):
    wrapped = {
        "DATABASES": {"default": {"ENGINE": "django_prometheus.db.backends.postgresql", "NAME": "shop"}}
    }
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    assert read(PROJECT | wrapped | {"USE_TZ": True}, SOLPAY_DATABASE_URL=url)["database_url"] == url


def test_a_project_that_is_not_there_is_told():
    told = read(PROJECT, SOLPAY_DJANGO_SETTINGS="no.such.settings")["bad"]

    assert told == "SOLPAY_DJANGO_SETTINGS: no.such.settings cannot be loaded: No module named 'no'"


def test_a_project_is_not_loaded_where_nothing_is_left_for_it_to_give():
    from solpay_pipeline.settings.model import Settings
    from solpay_pipeline_tests.rooms.settings.environments import COMPLETE

    assert Settings.from_environment(COMPLETE).django_settings == "shop.settings"
