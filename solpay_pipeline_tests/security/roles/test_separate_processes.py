"""A deployment of separate processes: the keys are in the environment of the run workers alone, and money goes home."""

from pathlib import Path

import psycopg
import pytest

from solpay_pipeline_tests.security.roles.deployment import (
    deployed,
    eventually,
    has_postgres_instances,
)
from solpay_pipeline_tests.security.roles.ground import KEYS
from solpay_pipeline_tests.shop import open_shop

RUNS_BY_ITSELF = {"SOLPAY_AUTOMATION_RUNNING": "true", "SOLPAY_RECHECK_INTERVAL": "5"}


@pytest.mark.slow
@pytest.mark.postgres
def test_a_payment_is_noticed_accepted_and_swept_though_only_the_run_worker_holds_keys(
    tmp_path: Path, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE dagster_records")
    instance_url = postgres_url.replace("/solpay_", "/dagster_records?was=solpay_", 1)
    instance_url = instance_url.split("?was=")[0] + "?" + postgres_url.partition("?")[2]
    try:
        with open_shop(tmp_path, database_url=postgres_url) as shop:
            shop.accept_sol()
            secrets = [shop.wallet_key.encode(), shop.fee_payer.to_json().encode()]
            customer = shop.new_payment()
            with deployed(
                shop, tmp_path, instance_url if has_postgres_instances() else None, **RUNS_BY_ITSELF
            ) as running:
                shop.pay_sol(customer)
                eventually(lambda: shop.state(customer) == "sent_funds", 240, running.log)
                held = running.environments()
            assert {name.split()[0] for name in held} == {"code", "web", "daemon"}
            for name, environment in held.items():
                assert b"SOLPAY_DATABASE_URL=" in environment, name
                assert not any(secret in environment for secret in secrets), name
                assert not any(key.encode() + b"=" in environment for key in KEYS), name
            assert (shop.status(customer), len(shop.transactions())) == ("confirmed", 1)
            names = (tmp_path / "worker-names").read_text().split()
            assert {"SOLPAY_FEE_PAYER_KEYPAIR", "SOLPAY_WALLET_KEYS"} <= set(names)
            logs = running.log().encode()
            assert not any(secret in logs for secret in secrets)
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("DROP DATABASE dagster_records WITH (FORCE)")
