"""A file with a key that every user can read is told at start, and refused by `solpay doctor`."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from solpay_pipeline.demo.folder import fresh_folder
from solpay_pipeline.settings.key_files import open_to_others
from solpay_pipeline_tests.command_line.warm import Warm
from solpay_pipeline_tests.shop import open_shop


@pytest.fixture
def entered() -> Iterator[Path]:
    """A folder that every user may enter."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def key_file(folder: Path, mode: int) -> dict[str, str]:
    file = folder / "payer.json"
    file.write_text("[]")
    file.chmod(mode)
    return {"SOLPAY_FEE_PAYER_KEYPAIR": str(file)}


@pytest.mark.parametrize(("mode", "is_open"), [(0o644, True), (0o604, True), (0o600, False), (0o440, False)])
def test_a_file_is_open_where_every_user_can_read_it(entered: Path, mode: int, is_open: bool) -> None:
    assert [one.name for one in open_to_others(key_file(entered, mode))] == [
        "SOLPAY_FEE_PAYER_KEYPAIR"
    ] * is_open


def test_a_folder_that_others_may_not_enter_is_enough(entered: Path) -> None:
    inner = entered / "private"
    inner.mkdir(mode=0o700)

    assert list(open_to_others(key_file(inner, 0o644))) == []


def test_a_key_that_is_no_file_is_not_taken_for_one() -> None:
    assert (
        list(open_to_others({"SOLPAY_FEE_PAYER_KEYPAIR": "[1, 2]", "SOLPAY_WALLET_KEYS": "/etc/passwd"}))
        == []
    )


def test_a_token_in_a_file_is_looked_at_too(entered: Path) -> None:
    (name,) = key_file(entered, 0o644).values()

    (one,) = open_to_others({"SOLPAY_FEE_PAYER_SIGNER_TOKEN": name})

    assert str(one) == (
        "SOLPAY_FEE_PAYER_SIGNER_TOKEN: names a file with a key that every user of this machine can read: "
        f"chmod 600 {name}"
    )


def test_commands_tell_it_and_go_on_and_doctor_fails_for_it(
    warm: Warm, tmp_path: Path, entered: Path
) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        environment = shop.environment() | key_file(entered, 0o644)
        (entered / "payer.json").write_text(shop.fee_payer.to_json())

        ended, doctor = warm.run(environment, "sweep"), warm.run(environment, "doctor")

    assert (ended.returncode, doctor.returncode) == (0, 1)
    assert ended.stderr.startswith("warning: SOLPAY_FEE_PAYER_KEYPAIR: names a file")
    assert "FAIL  SOLPAY_FEE_PAYER_KEYPAIR: names a file" in doctor.stdout
    assert "ok    chain" in doctor.stdout


def test_the_folder_of_a_demo_is_its_owners_alone(tmp_path: Path) -> None:
    assert fresh_folder(tmp_path / "demo").stat().st_mode & 0o777 == 0o700
