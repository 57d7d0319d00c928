"""A shop written for the peer: its crontab and its signal receivers, with us at work."""

from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from solpay_pipeline_tests.beside_the_peer.drop_in.conftest import project_of
from solpay_pipeline_tests.beside_the_peer.peer.kit import EXPIRE, RECHECK, RECLAIM, SWEEP
from solpay_pipeline_tests.shop import SOL, Shop


@pytest.mark.slow
@pytest.mark.postgres
def test_the_peers_crontab_runs_our_jobs_and_its_receivers_are_told_once(postgres_shop: Shop, tmp_path: Path):
    shop = postgres_shop
    mint = shop.seed.create_mint(decimals=6)
    project = project_of(shop, tmp_path)
    project.set_up(native_price="0.1", spl_prices={str(mint): "5"})
    in_sol, in_tokens, unpaid = project.create_payments(3)
    shop.seed.pay_sol(Pubkey.from_string(in_sol["address"]), SOL // 10)
    shop.seed.pay_token(Pubkey.from_string(in_tokens["address"]), mint, 6_000_000)
    shop.settle_chain()

    found = project.command(RECHECK, "--limit", "25", "--sleep", "0.001")
    assert "accepted" in found
    assert project.lines("accepted") == [
        {
            "who": "accepted",
            "payment": payment["id"],
            "address": payment["address"],
            "is_status": "confirmed",
            "status": "confirmed",
            "amount": amount,
            "sender": "VerifyTransactionService",
        }
        for payment, amount in ((in_sol, "0.100000000"), (in_tokens, "6.000000"))
    ]

    project.expire_now([unpaid["id"]])
    shop.settle_chain()
    for name in (EXPIRE, SWEEP, RECLAIM):
        project.command(name, "--sleep", "0.001")

    assert len(project.lines("accepted")) == 2
    [expired] = project.lines("expired")
    assert (expired["payment"], expired["status"], expired["sender"]) == (
        unpaid["id"],
        "expired",
        "SolanaPaymentsService",
    )
    states = {
        payment["id"]: (payment["status"], payment["wallet_state"])
        for payment in project.states()["payments"]
    }
    assert states == {
        in_sol["id"]: ("confirmed", "sent_funds"),
        in_tokens["id"]: ("confirmed", "sent_funds"),
        unpaid["id"]: ("expired", "payment_expired_and_wallet_closed"),
    }
    assert shop.received(mint) == 6_000_000


@pytest.mark.slow
def test_a_receiver_that_raises_is_called_again_and_the_others_are_not(shop: Shop, tmp_path: Path):
    project = project_of(shop, tmp_path)
    project.set_up(native_price="0.1")
    [payment] = project.create_payments(1)
    shop.seed.pay_sol(Pubkey.from_string(payment["address"]), SOL // 10)
    shop.settle_chain()
    project.break_mail()

    project.command(RECHECK)
    assert [line["who"] for line in project.lines()] == ["accepted"]
    listed = project.manage("solpay", "events", "list").stdout
    assert "told:on_accepted_unless_broken" in listed
    assert "the mail server" not in listed

    project.mend_mail()
    assert project.manage("solpay", "events", "retry").returncode == 0
    assert project.manage("solpay", "events", "deliver").returncode == 0

    assert [line["who"] for line in project.lines()] == ["accepted", "mailed"]
    assert "no events" in project.manage("solpay", "events", "list").stdout
