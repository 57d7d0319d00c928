"""What fails on chain is never called sent, is told with its reason, and holds up nobody else."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from solders.keypair import Keypair

from solpay_pipeline.localnet.chain.config import ChainConfig
from solpay_pipeline.localnet.chain.history import Executed, TransactionRecord
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.localnet.tools.seed import TOKEN_2022
from solpay_pipeline.operations.moving import execution
from solpay_pipeline_tests.failures.audit import assert_all_is_well
from solpay_pipeline_tests.failures.crashes.ground import our_transactions
from solpay_pipeline_tests.failures.ground import (
    ACCEPTED,
    EXPIRED,
    PRICE,
    Database,
    landed_for,
    ledger_states,
)
from solpay_pipeline_tests.money.attacks.moves import accept_wrapped_sol
from solpay_pipeline_tests.shop import SOL, Shop, weather

pytestmark = pytest.mark.slow

QUICKLY_FINAL = ChainConfig(slot_seconds=0.02, finalized_lag=4)
"""A failure is believed when it is final."""

CODES = {
    11: "account still holds tokens",
    17: "account is frozen",
    31: "mint takes a fee",
    35: "fees are withheld",
    36: "no memo",
    37: "not transferable",
}
"""Errors of the token programs, by number: docs/solana.md#token-extensions."""


def before_sending(monkeypatch: pytest.MonkeyPatch, deed: Callable[[], Any]) -> None:
    """Let something happen once, after the wallets were read and planned and before anything leaves."""
    submit = execution.submit
    waiting = [deed]

    async def after_deed(*args: Any) -> Any:
        if waiting:
            waiting.pop()()
        return await submit(*args)

    monkeypatch.setattr(execution, "submit", after_deed)


def test_f06_a_transaction_that_landed_with_an_error_is_told_by_its_code_and_made_anew(
    database: Database,
) -> None:
    with database.shop(config=QUICKLY_FINAL) as shop:
        shop.accept_sol()
        customers = shop.accepted_and_paid(None, None)
        poor, rich = customers
        for code in CODES:
            err = {"InstructionError": [0, {"Custom": code}]}
            with weather(shop, Fault("land_failed", err=err)):
                outcome = shop.run("sweep", payment_ids=frozenset({poor.payment_id}))
            assert outcome.swept == 0
            assert outcome.failed_transactions >= 1
            assert shop.state(poor) == "failed_to_send_funds"
            [finding] = [one.finding for one in shop.findings(poor)]
            assert finding.code == "transaction_failed"
            assert str(code) in finding.explanation
            assert shop.received() == SOL
        named = frozenset(one.payment_id for one in customers)
        assert shop.run("sweep", payment_ids=named).swept == 2
        assert [len(landed_for(shop, one)) for one in customers] == [1, 1]
        assert [shop.codes(one) for one in customers] == [set(), set()]
        assert shop.state(rich) == "sent_funds"
        assert_all_is_well(shop, customers)


def test_f06_an_error_without_a_fee_ends_nothing_before_its_blockhash_is_over(database: Database) -> None:
    """SIMD-0290: a block may hold a transaction that never ran; it may still land in another one."""
    with database.shop(config=QUICKLY_FINAL) as shop:
        shop.accept_sol()
        [customer] = shop.accepted_and_paid(None)
        with weather(shop, Fault("swallow")):
            assert shop.run("sweep", patience_seconds=0.1).in_flight == 1
        recorded = shop.transactions()[0]
        _show_without_effect(shop, recorded.wire)
        shop.finalize_chain()

        outcome = shop.run("sweep", patience_seconds=1.0)
        assert (outcome.swept, outcome.in_flight) == (0, 1)
        assert ledger_states(shop) == ["recorded"], "it is not terminal, and nothing was signed beside it"

        shop.chain.advance(400)
        assert shop.run("sweep").swept == 1
        assert ledger_states(shop)[0] == "dead"
        assert len(shop.transactions()) == 2
        assert len(landed_for(shop, customer)) == 1
        assert_all_is_well(shop, [customer])


def _show_without_effect(shop: Shop, wire: bytes) -> None:
    decoded = shop.chain.decode(wire)
    nothing = tuple(shop.seed.lamports(key) for key in decoded.keys)
    executed = Executed("InsufficientFundsForFee", 0, (), 0, (), None, nothing, nothing, (), ())
    with shop.chain.lock:
        slot = shop.chain.tick()
        index = len(shop.chain.history.block(slot))
        record = TransactionRecord(slot, index, shop.chain.block_time(slot), decoded, executed, None)
        shop.chain.history.add(record)


def test_f14_a_wallet_with_everything_in_it_is_emptied_in_two_transactions(database: Database) -> None:
    with database.shop() as shop:
        shop.accept_sol()
        classic = shop.accept_mint()
        taxed = shop.accept_mint(program=TOKEN_2022, transfer_fee_basis_points=100)
        wrapped = accept_wrapped_sol(shop)
        customer = shop.new_payment(**ACCEPTED)
        for mint in (None, classic, taxed):
            if mint is None:
                shop.pay_sol(customer)
            else:
                shop.pay_token(customer, mint)
        shop.seed.mint_to(customer.address, wrapped, PRICE)
        beside = shop.seed.create_token_account(customer.address, classic)
        shop.seed.mint_to(beside, classic, PRICE)
        shop.settle_chain()

        outcome = shop.run("sweep", discover_accounts=True)

        assert outcome.is_clean
        assert shop.state(customer) == "sent_funds"
        assert len(landed_for(shop, customer)) <= 2
        accounts = [beside, *(shop.ata(customer.address, mint) for mint in (classic, taxed, wrapped))]
        assert [shop.seed.lamports(one) for one in (customer.address, *accounts)] == [0] * 5
        assert shop.received(classic) == 2 * PRICE
        assert (shop.received(), shop.received(wrapped)) == (SOL + SOL // 10, PRICE)
        # One percent when the customer pays, one of the rest when it comes home; both are harvested or withheld.
        assert shop.received(taxed) == PRICE * 99 // 100 * 99 // 100
        assert_all_is_well(shop, [customer], discover_accounts=True)


def test_f15_one_unit_that_comes_in_between_spoils_its_own_wallet_and_no_other(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Preflight looks at the confirmed state and cannot see the unit: it is the chain that refuses.
    config = ChainConfig(slot_seconds=0.02, confirmed_lag=15, finalized_lag=20)
    with database.shop(config=config, version=1) as shop:
        mint = shop.accept_mint()
        customers = shop.accepted_and_paid(*[mint] * 11)
        dusted = customers[4]
        shop.run("sweep", payment_ids=frozenset())
        before = len(our_transactions(shop))
        before_sending(monkeypatch, lambda: shop.seed.pay_token(dusted.address, mint, 1))

        outcome = shop.run("sweep")

        assert outcome.is_clean
        assert outcome.swept == 11
        ours = [record for record in our_transactions(shop) if record.err is not None]
        assert len(ours) == outcome.failed_transactions == 1, "one shared transaction failed, with its fee"
        assert all(len(landed_for(shop, one)) == 1 for one in customers)
        # The receiver's account, the one that failed, the ten others, and the spoiler alone.
        assert len(our_transactions(shop)) - before == 4
        assert shop.received(mint) == 11 * PRICE + 1
        assert_all_is_well(shop, customers)


def test_f16_what_cannot_move_is_named_and_what_can_goes_home_beside_it(database: Database) -> None:
    receiver = Keypair()
    with database.shop() as shop:
        shop.deployment = replace(shop.deployment, receiver=receiver.pubkey())
        shop.seed.airdrop(receiver.pubkey(), SOL)
        hook = Keypair().pubkey()
        mints = {
            "plain": shop.accept_mint(),
            "frozen": shop.accept_mint(),
            "paused": shop.accept_mint(program=TOKEN_2022, extensions=["pausable"]),
            "hooked": shop.accept_mint(program=TOKEN_2022, extensions=["transfer_hook"], hook_program=hook),
            "bound": shop.accept_mint(program=TOKEN_2022, extensions=["non_transferable"]),
            "memo": shop.accept_mint(program=TOKEN_2022),
            "foreign": shop.accept_mint(),
        }
        customers = {}
        for name, mint in mints.items():
            customers[name] = shop.new_payment(prices={mint: "5"}, **ACCEPTED)
            shop.seed.mint_to(customers[name].address, mint, PRICE)
        shop.seed.freeze(shop.ata(customers["frozen"].address, mints["frozen"]), mints["frozen"])
        shop.seed.pause(mints["paused"])
        shop.seed.require_memo(receiver, mints["memo"])
        stranger = Keypair().pubkey()
        shop.seed.set_close_authority(customers["foreign"].keypair, mints["foreign"], stranger)
        shop.settle_chain()

        outcome = shop.run("sweep")

        swept = {name for name, one in customers.items() if shop.state(one) == "sent_funds"}
        assert swept == {"plain", "memo"}
        reasons = {
            name: [(one.finding.code.value, one.finding.explanation) for one in shop.findings(customer)]
            for name, customer in customers.items()
        }
        assert reasons["plain"] == reasons["memo"] == []
        for name, word in {
            "frozen": "frozen",
            "paused": "paus",
            "hooked": "hook",
            "bound": "transfer",
        }.items():
            [(code, explanation)] = reasons[name]
            assert code == "token_stuck"
            assert word in explanation
            assert shop.state(customers[name]) == "failed_to_send_funds"
            assert shop.tokens_of(customers[name].address, mints[name]) == PRICE
        # Its tokens go home; the account stays, since its rent is another's to take.
        [(code, explanation)] = reasons["foreign"]
        assert (code, str(stranger) in explanation) == ("account_stuck", True)
        assert shop.received(mints["foreign"]) == PRICE
        assert {one.wallet_id for one in outcome.set_aside} == {
            customers[name].wallet_id for name in ("frozen", "paused", "hooked", "bound", "foreign")
        }
        assert shop.received(mints["memo"]) == PRICE

        shop.seed.thaw(shop.ata(customers["frozen"].address, mints["frozen"]), mints["frozen"])
        shop.seed.resume(mints["paused"])
        shop.settle_chain()
        shop.run("sweep")
        assert [shop.state(customers[name]) for name in ("frozen", "paused")] == ["sent_funds"] * 2
        assert_all_is_well(shop, customers.values(), opened_by_others=[mints["memo"]])


@pytest.mark.parametrize("rate", [6_960, 696], ids=["dearer", "cheaper"])
def test_f17_rent_and_fees_that_change_in_the_middle_of_a_run_leave_no_plan_behind(
    database: Database, monkeypatch: pytest.MonkeyPatch, rate: int
) -> None:
    with database.shop() as shop:
        shop.accept_sol()
        plain = shop.accept_mint()
        taxed = shop.accept_mint(program=TOKEN_2022, transfer_fee_basis_points=100)
        customers = shop.accepted_and_paid(None, plain, taxed)
        unpaid = [shop.new_payment(**EXPIRED) for _ in range(2)]
        shop.seed.set_transfer_fee(taxed, 500)
        shop.settle_chain()

        def changes() -> None:
            shop.chain.set_rent(rate)
            # The newer fee holds from the second epoch after this one.
            shop.chain.advance(2 * 432_000)

        before_sending(monkeypatch, changes)
        outcome = shop.run("sweep")
        assert outcome.is_clean
        assert outcome.swept == 3
        net = PRICE * 99 // 100
        assert shop.received(taxed) == net - (net * 500 + 9_999) // 10_000
        before_sending(monkeypatch, lambda: shop.chain.set_rent(5_080))
        assert shop.run("reclaim").closed == 2
        assert (shop.received(), shop.received(plain)) == (SOL + SOL // 10, PRICE)
        assert_all_is_well(shop, [*customers, *unpaid])
