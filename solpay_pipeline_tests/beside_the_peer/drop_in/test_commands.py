"""Our management commands in place of the peer's."""

from pathlib import Path

import pytest

from solpay_pipeline_tests.beside_the_peer.drop_in.conftest import project_of
from solpay_pipeline_tests.beside_the_peer.peer.kit import EXPIRE, RECHECK, RECLAIM, SWEEP
from solpay_pipeline_tests.shop import Shop, open_shop


@pytest.fixture(scope="module")
def closed_shop(tmp_path_factory: pytest.TempPathFactory):
    with open_shop(tmp_path_factory.mktemp("shop"), create_tables=False) as shop:
        yield shop


@pytest.mark.slow
def test_a_command_of_the_peers_name_has_its_options_and_ours(closed_shop: Shop, tmp_path: Path):
    project = project_of(closed_shop, tmp_path)
    for name, own in {
        EXPIRE: "--no-close-wallets",
        SWEEP: "--sweep-held-funds",
        RECHECK: "--limit",
        RECLAIM: "--json",
    }.items():
        ended = project.manage(name, "--help")
        assert ended.returncode == 0, ended.stderr
        for option in ("--sleep", "--dry-run", "--payment-id", "--max-runtime", own):
            assert option in ended.stdout


def test_a_bad_setting_ends_a_command_with_one_line_and_code_2(closed_shop: Shop, tmp_path: Path):
    project = project_of(closed_shop, tmp_path, more={"SOLPAY_COMMITMENT": "rooted"})

    ended = project.manage(SWEEP)

    assert ended.returncode == 2
    assert "SOLPAY_COMMITMENT: 'rooted' is not" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_our_app_behind_the_peers_is_an_error_of_the_projects_checks(closed_shop: Shop, tmp_path: Path):
    project = project_of(
        closed_shop,
        tmp_path,
        settings_module="solpay_pipeline.testing.peer_settings",
        apps=("solpay_pipeline.contrib.django",),
    )

    ended = project.manage("check")

    assert ended.returncode == 1
    assert "solpay.E001" in ended.stderr


def test_nothing_of_our_own_is_to_be_migrated_by_django(closed_shop: Shop, tmp_path: Path):
    project = project_of(closed_shop, tmp_path)

    ended = project.manage(
        "makemigrations", "--check", "--dry-run", "solpay_pipeline", "django_solana_payments"
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
