"""Bad keys, empty purses and attackers: nothing is signed that should not be, it is told, and the rest goes on."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from solders.account import Account
from solders.compute_budget import set_compute_unit_price
from solders.keypair import Keypair
from solders.system_program import ID as SYSTEM_PROGRAM
from solders.system_program import TransferParams, transfer

from solpay_pipeline.chain.sending import packing
from solpay_pipeline.chain.sending.instructions import ForbiddenInstruction
from solpay_pipeline.chain.sending.packing import Parcel
from solpay_pipeline.lifecycle.actions import MoveLamports
from solpay_pipeline.operations import sweep
from solpay_pipeline.records.vault import WalletVault
from solpay_pipeline_tests.command_line.warm import Death, Warm
from solpay_pipeline_tests.failures.audit import assert_all_is_well
from solpay_pipeline_tests.failures.crashes.ground import our_transactions
from solpay_pipeline_tests.failures.ground import PRICE, Database, landed_for
from solpay_pipeline_tests.security.secrets.needles import plain_array
from solpay_pipeline_tests.security.secrets.scene import store
from solpay_pipeline_tests.shop import FEE_PAYER_LAMPORTS, SOL, Customer

pytestmark = pytest.mark.slow


def test_f18_keys_rotated_half_way_all_open_and_a_bad_one_signs_nothing_and_is_told(
    database: Database, warm: Warm
) -> None:
    with database.shop() as shop:
        shop.accept_sol()
        good = shop.accepted_and_paid(*[None] * 4)
        wrong_key, plain, swapped = bad = shop.accepted_and_paid(None, None, None)
        stranger = Fernet(Fernet.generate_key())
        store(shop, wrong_key, stranger.encrypt(plain_array(wrong_key.keypair).encode()).decode())
        store(shop, plain, plain_array(plain.keypair))
        store(shop, swapped, Fernet(shop.wallet_key).encrypt(plain_array(Keypair()).encode()).decode())

        new = Fernet.generate_key().decode()
        both = {**shop.environment(), "SOLPAY_WALLET_KEYS": f"{new},{shop.wallet_key}"}
        death = Death("solpay_pipeline.operations.rotate:replace_sealed", "after", 3)
        assert warm.run(both, "rotate-keys", death=death).was_killed
        keys = [SecretStr(new), SecretStr(shop.wallet_key)]
        shop.deployment = replace(shop.deployment, vault=WalletVault(keys, encrypted=True))

        outcome = shop.run("sweep")

        assert [shop.state(one) for one in good] == ["sent_funds"] * 4
        assert [shop.state(one) for one in bad] == ["failed_to_send_funds"] * 3
        assert not outcome.is_clean, "the run's exit code and its page raise the alarm"
        assert [shop.codes(one) for one in bad] == [{"key_unreadable"}, {"key_unreadable"}, {"key_mismatch"}]
        signers = {key for record in our_transactions(shop) for key in record.decoded.keys}
        assert not signers & {one.address for one in bad}
        assert [shop.seed.lamports(one.address) for one in bad] == [SOL // 10] * 3

        ended = warm.run(both, "rotate-keys", "--json")
        assert ended.returncode == 1
        told = ended.json()
        assert (told["renewed"], told["already"], len(told["unreadable"])) == (2, 2, 3)
        for one in bad:
            store(shop, one, Fernet(new).encrypt(plain_array(one.keypair).encode()).decode())
        shop.deployment = replace(shop.deployment, vault=WalletVault(keys[:1], encrypted=True))
        assert shop.run("sweep").swept == 3
        assert_all_is_well(shop, [*good, *bad])


PURSES = {"empty": None, "below the floor": 650_240 + 9_999, "not enough for rent": 650_240 + 30_000}


def test_f19_a_fee_payer_without_money_stops_the_run_before_it_signs_and_is_all_that_it_waits_for(
    database: Database,
) -> None:
    with database.shop() as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        customers = shop.accepted_and_paid(mint, None)
        payer = shop.deployment.fee_payer.pubkey
        for name, lamports in PURSES.items():
            purse = None if lamports is None else Account(lamports, b"", SYSTEM_PROGRAM)
            shop.chain.put_account(payer, purse)
            shop.settle_chain()
            # Of SOL the receiver needs no account: fees alone are then the question.
            for customer in customers[:1] if name == "not enough for rent" else customers:
                outcome = shop.run("sweep", payment_ids=frozenset({customer.payment_id}))
                assert not outcome.is_clean
                words = " ".join([*outcome.left_undone, *(one.explanation for one in outcome.set_aside)])
                assert re.search(r"fee payer .* send it SOL", words), name
            assert (shop.transactions(), our_transactions(shop)) == ([], []), name
            states = {shop.state(one) for one in customers}
            assert states <= {"processing_payment", "failed_to_send_funds"}, "to be swept by the next run"

        shop.chain.put_account(payer, None)
        shop.seed.airdrop(payer, FEE_PAYER_LAMPORTS)
        shop.settle_chain()
        assert shop.run("sweep").swept == 2
        assert (shop.received(), shop.received(mint)) == (SOL + SOL // 10, PRICE)
        assert_all_is_well(shop, customers)


def test_f19_a_destination_that_is_missing_closed_or_frozen_holds_up_its_own_token_alone(
    database: Database,
) -> None:
    receiver = Keypair()
    with database.shop() as shop:
        shop.deployment = replace(shop.deployment, receiver=receiver.pubkey())
        shop.seed.airdrop(receiver.pubkey(), SOL)
        missing, closed, frozen = (shop.accept_mint() for _ in range(3))
        shop.seed.create_ata(receiver.pubkey(), closed)
        shop.seed.close_ata(receiver, closed)
        shop.seed.freeze(shop.seed.create_ata(receiver.pubkey(), frozen), frozen)
        customers = shop.accepted_and_paid(missing, closed, frozen)

        outcome = shop.run("sweep")

        assert [shop.state(one) for one in customers] == ["sent_funds", "sent_funds", "failed_to_send_funds"]
        [finding] = [one.finding for one in shop.findings(customers[2])]
        assert finding.code == "destination_unfit"
        assert "frozen" in finding.explanation
        assert not outcome.is_clean
        assert shop.tokens_of(customers[2].address, frozen) == PRICE

        shop.seed.thaw(shop.ata(receiver.pubkey(), frozen), frozen)
        shop.settle_chain()
        assert shop.run("sweep").swept == 1
        assert [shop.received(mint) for mint in (missing, closed, frozen)] == [PRICE] * 3
        assert_all_is_well(shop, customers, opened_by_others=[frozen])


def test_f23_a_destination_written_into_the_database_is_no_destination(database: Database) -> None:
    with database.shop() as shop:
        shop.accept_sol()
        redirected, readdressed, honest = customers = shop.accepted_and_paid(None, None, None)
        attacker = Keypair()
        shop.seed.pay_sol(attacker.pubkey(), SOL // 10)
        for customer in customers:
            shop.change_wallet(customer, receiver_address=str(attacker.pubkey()))
        shop.change_payment(readdressed, payment_address=str(attacker.pubkey()))
        shop.settle_chain()

        outcome = shop.run("sweep")

        assert shop.seed.lamports(attacker.pubkey()) == SOL // 10
        for customer in (redirected, honest):
            assert shop.state(customer) == "sent_funds"
            assert shop.wallet_row(customer).receiver_address == str(shop.deployment.receiver)
        assert (shop.state(readdressed), shop.codes(readdressed)) == (
            "failed_to_send_funds",
            {"key_mismatch"},
        )
        assert not outcome.is_clean
        assert landed_for(shop, readdressed) == []
        shop.change_payment(readdressed, payment_address=str(readdressed.address))
        assert shop.run("sweep").swept == 1
        assert_all_is_well(shop, customers)


def _elsewhere(monkeypatch: pytest.MonkeyPatch, customer: Customer) -> None:
    """The plan itself sends the money to an attacker."""
    plan_sweep = sweep.plan_sweep
    attacker = Keypair().pubkey()

    def planned(*args: Any) -> Any:
        plan = plan_sweep(*args)
        assert plan.leg is not None
        steps = tuple(
            tuple(
                MoveLamports(one.lamports, attacker) if isinstance(one, MoveLamports) else one for one in step
            )
            for step in plan.leg.steps
        )
        return replace(plan, leg=replace(plan.leg, steps=steps))

    monkeypatch.setattr(sweep, "plan_sweep", planned)


def _injected(monkeypatch: pytest.MonkeyPatch, customer: Customer) -> None:
    """Behind what was planned, a lamport to an attacker."""
    theft = TransferParams(from_pubkey=customer.address, to_pubkey=Keypair().pubkey(), lamports=1)
    _tampered(monkeypatch, lambda parcel: (*parcel.instructions, transfer(theft)))


def _overpriced(monkeypatch: pytest.MonkeyPatch, customer: Customer) -> None:
    """A price of compute units that eats the wallet."""
    _tampered(monkeypatch, lambda parcel: (set_compute_unit_price(10**9), *parcel.instructions))


def _tampered(monkeypatch: pytest.MonkeyPatch, with_what: Callable[[Parcel], tuple[Any, ...]]) -> None:
    build = packing.build

    def tampered(parcel: Parcel, **how: Any) -> Any:
        return build(replace(parcel, instructions=with_what(parcel)), **how)

    monkeypatch.setattr(packing, "build", tampered)


def test_f23_a_message_that_is_not_what_we_build_is_refused_before_anybody_signs_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.shop() as shop:
        shop.accept_sol()
        [customer] = shop.accepted_and_paid(None)
        for attack in (_elsewhere, _injected, _overpriced):
            with monkeypatch.context() as patch:
                attack(patch, customer)
                with pytest.raises(ForbiddenInstruction):
                    shop.run("sweep")
            assert (shop.transactions(), our_transactions(shop)) == ([], [])
            assert shop.node.calls["sendTransaction"] == 0
            assert shop.state(customer) == "processing_payment"
            assert shop.seed.lamports(customer.address) == SOL // 10
        assert shop.run("sweep").swept == 1
        assert_all_is_well(shop, [customer])
