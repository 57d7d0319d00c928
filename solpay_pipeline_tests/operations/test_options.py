"""What an operator may ask of an operation."""

import pytest
from solders.pubkey import Pubkey

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


def test_a_tolerance_is_a_percentage_or_base_units_of_one_asset() -> None:
    mint = Pubkey.new_unique()
    assert parse_tolerance(" SOL:1000 ") == Tolerance(base_units=1_000)
    assert parse_tolerance(f"{mint}:7") == Tolerance(base_units=7, asset=mint)
    assert parse_tolerance("0.5%").least(1_000, None) == 995
    assert parse_tolerance("0") == Tolerance()
    for tolerance in ("SOL:1000", f"{mint}:7", "0.5%", "0"):
        assert str(parse_tolerance(tolerance)) == tolerance
    for bad in (
        "",
        "half",
        "-1",
        "1000",
        "1000000",
        "5.1%",
        "100%",
        "NaN%",
        "-0.1%",
        "USDC:5",
        "SOL:-1",
        ":5",
    ):
        with pytest.raises(BadOption, match="underpayment_tolerance"):
            parse_tolerance(bad)
