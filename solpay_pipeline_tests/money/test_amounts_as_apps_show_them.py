"""Some tokens show people other amounts than those that move; prices are in what moves, and a finding says so."""

import pytest

from solpay_pipeline.localnet.tools.seed import TOKEN_2022
from solpay_pipeline_tests.shop import Shop, open_shop


@pytest.fixture
def shop(tmp_path):
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        yield shop


def finding_of(shop: Shop, extension: str, units: int) -> tuple[str, str]:
    """What is told of a payment of 5 tokens for which this many base units came."""
    mint = shop.accept_mint(program=TOKEN_2022, extensions=[extension])
    customer = shop.new_payment()
    shop.pay(customer, mint, units)
    shop.wait(hours=2)
    shop.maintain()
    (told,) = [one.finding for one in shop.findings(customer)]
    return told.code, told.explanation


def test_a_customer_who_sends_what_his_app_shows_is_short_and_the_multiplier_is_named(shop):
    code, words = finding_of(shop, "scaled_ui_amount", 2_500_000)
    assert code == "short"
    assert "the token's app shows amounts times 2, and prices are in raw units" in words


def test_a_customer_who_pays_too_much_by_it_is_told_the_same(shop):
    code, words = finding_of(shop, "scaled_ui_amount", 10_000_000)
    assert code == "overpaid"
    assert "times 2" in words


def test_interest_that_is_shown_only_is_named_too(shop):
    code, words = finding_of(shop, "interest_bearing", 4_950_000)
    assert code == "short"
    assert "with interest added, 100 basis points a year now" in words


def test_of_a_token_that_shows_what_moves_nothing_is_said(shop):
    code, words = finding_of(shop, "mint_close_authority", 4_000_000)
    assert code == "short"
    assert "app" not in words
