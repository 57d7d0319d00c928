"""`solpay maintain` over a mixed shop, killed from outside at random moments."""

from pathlib import Path

import pytest

from solpay_pipeline_tests.command_line.warm import Warm
from solpay_pipeline_tests.failures.crashes.fifty_deaths import deaths, stocked, undisturbed

pytestmark = pytest.mark.slow


def test_five_kills_at_random_moments_leave_no_wallet_wrong_and_no_base_unit_missing(
    warm: Warm, tmp_path: Path
) -> None:
    with stocked(tmp_path, wallets=60) as stock:
        last, verdict = undisturbed(warm, stock)
        assert verdict.is_clean, verdict
        for death in deaths(warm, stock, count=5, last=last, seed=5):
            assert death.was_killed, death
            assert death.verdict.is_clean, death
