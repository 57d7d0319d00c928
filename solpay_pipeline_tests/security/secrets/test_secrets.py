"""Whatever goes well or wrong, no secret shows: not in what is printed, not in Dagster's storage, not in our tables."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from solders.keypair import Keypair

from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline_tests.command_line.warm import Warm
from solpay_pipeline_tests.security.secrets.needles import files_below, found, keypair_needles, plain_array
from solpay_pipeline_tests.security.secrets.scene import (
    API_KEY,
    DATABASE_PASSWORD,
    RPC_PASSWORD,
    Scene,
    shop_with_secrets,
)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with shop_with_secrets(tmp_path) as made:
        yield made


@pytest.mark.slow
def test_no_secret_shows_when_work_is_done_and_keys_cannot_be_read(warm: Warm, scene: Scene) -> None:
    assert scene.run(warm, "doctor").returncode == 1
    assert scene.run(warm, "recheck").returncode == 0
    scene.shop.wait(hours=1)
    ended = scene.run(warm, "maintain")
    assert ended.returncode == 1
    for name in ("garbled", "plain", "foreign"):
        assert scene.shop.state(scene.customers[name]) == "failed_to_send_funds"
    assert (
        scene.shop.state(scene.customers["good"]) == scene.shop.state(scene.customers["paid"]) == "sent_funds"
    )
    assert scene.run(warm, "sweep", "--json").returncode == 1
    assert scene.run(warm, "sweep", "--dry-run").returncode in (0, 1)
    scene.assert_nothing_shows()


@pytest.mark.slow
def test_no_secret_shows_when_the_node_fails_or_speaks_of_the_key(warm: Warm, scene: Scene) -> None:
    faults = [
        Fault("server_error", status=401),
        Fault("server_error", status=502),
        Fault("rate_limit", retry_after=0.1),
        Fault("rpc_error", code=-32600, message=f"api-key={API_KEY} is not good"),
        Fault("truncate"),
        Fault("drop_before"),
        Fault("rpc_error", methods={"sendTransaction"}, code=-32602, message=f"bad key {API_KEY}"),
    ]
    for fault in faults:
        scene.shop.node.faults.clear()
        scene.shop.node.faults.add(fault)
        assert scene.run(warm, "sweep").returncode == 1, fault
    scene.shop.node.faults.clear()
    nowhere = f"http://shop:{RPC_PASSWORD}@127.0.0.1:9/v2/{API_KEY}"
    assert scene.run(warm, "sweep", SOLPAY_RPC_URLS=nowhere).returncode == 1
    assert scene.run(warm, "doctor", SOLPAY_RPC_URLS=nowhere).returncode == 1
    proxy = {"SOLPAY_RPC_PROXY": f"http://shop:{RPC_PASSWORD}@127.0.0.1:9"}
    assert scene.run(warm, "sweep", **proxy).returncode == 1
    assert scene.run(warm, "sweep", SOLPAY_CLUSTER="mainnet-beta").returncode == 1
    scene.run(warm, "sweep")
    scene.assert_nothing_shows()


@pytest.mark.slow
def test_no_secret_shows_when_the_database_fails(warm: Warm, scene: Scene) -> None:
    unreachable = f"postgresql://shop:{DATABASE_PASSWORD}@127.0.0.1:9/shop?sslpassword={DATABASE_PASSWORD}"
    for command in ("sweep", "doctor", "init"):
        assert scene.run(warm, command, SOLPAY_DATABASE_URL=unreachable).returncode in (1, 2)
    # The ledger fails in the middle of a run, with a signed transaction in its hands.
    with scene.shop.deployment.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON solpay_movement BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
    ended = scene.run(warm, "sweep")
    assert ended.returncode == 1
    assert "the disk is full" in ended.stderr
    with scene.shop.deployment.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER full")
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE UPDATE ON django_solana_payments_onetimepaymentwallet "
            "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
    assert scene.run(warm, "maintain").returncode == 1
    with scene.shop.deployment.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER full")
    scene.run(warm, "maintain")
    scene.assert_nothing_shows()


def test_the_search_finds_a_secret_in_each_of_its_forms(tmp_path: Path) -> None:
    keypair = Keypair()
    secret = bytes(keypair)
    for number, form in enumerate(
        [
            str(keypair),
            plain_array(keypair),
            keypair.to_json(),
            str(list(secret)),
            secret.hex(),
            base64.b64encode(secret).decode(),
            base64.b64encode(secret[:32]).decode(),
            repr(secret),
        ]
    ):
        (tmp_path / str(number)).write_text(f"error near {form} in line 1")
    assert len(found(keypair_needles(keypair), files_below(tmp_path))) == 8
