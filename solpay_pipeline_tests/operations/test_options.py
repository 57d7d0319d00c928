"""What an operator may ask of an operation."""

import pytest

from solpay_pipeline.lifecycle.judgement import Tolerance
from solpay_pipeline.operations.context.options import BadOption, Options, parse_tolerance


@pytest.mark.parametrize(
    "bad",
    [
        {"sleep": -1.0},
        {"sleep": float("inf")},
        {"max_runtime_seconds": 0.0},
        {"limit": 0},
        {"watch_days": -1},
        {"page_size": 0},
        {"page_size": 5_001},
    ],
)
def test_an_option_that_cannot_be_meant_is_refused_by_its_name(bad: dict[str, float]) -> None:
    with pytest.raises(BadOption, match=next(iter(bad))):
        Options(**bad)  # type: ignore[arg-type]


def test_a_tolerance_is_base_units_or_a_percentage() -> None:
    assert parse_tolerance(" 1000 ") == Tolerance(base_units=1_000)
    assert parse_tolerance("0.5%").least(1_000) == 995
    for bad in ("", "half", "-1", "100%", "NaN%", "-0.1%"):
        with pytest.raises(BadOption, match="underpayment_tolerance"):
            parse_tolerance(bad)
