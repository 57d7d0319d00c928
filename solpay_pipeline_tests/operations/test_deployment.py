"""Whom an operation works for."""

from datetime import timedelta

from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline_tests.operations.ground import MADE, deployment


def test_a_deployment_believes_confirmed_blocks_and_pays_no_priority_unless_it_is_told_otherwise() -> None:
    made = deployment()
    assert (made.commitment, made.acceptance) == (Commitment.CONFIRMED, Commitment.CONFIRMED)
    assert (made.max_priority_fee, made.spending.per_run, made.spending.per_day) == (0, None, None)
    assert made.clock() - MADE == timedelta(hours=1)
