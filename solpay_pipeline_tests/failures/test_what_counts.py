"""What counts as paid, by how it came, when it came, and in what: the chain's balances and the chain's time decide."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import PaymentStatus
from solpay_pipeline.localnet.chain.config import ChainConfig
from solpay_pipeline.localnet.chain.token_layout import ATA_PROGRAM, TOKEN_PROGRAM
from solpay_pipeline.operations.changes.written_books import WrittenBooks
from solpay_pipeline_tests.failures.audit import assert_all_is_well
from solpay_pipeline_tests.failures.ground import PRICE, Database, landed_for
from solpay_pipeline_tests.shop import SOL, Customer, Shop

pytestmark = pytest.mark.slow


def _pay_through_a_program(shop: Shop, customer: Customer, mint: Pubkey) -> str:
    """The price in tokens, moved by the associated token program's own call of the token program (RecoverNested).

    It has come in with the transfer into the account that belongs to the wallet's account; returns that one's signature.
    """
    account = shop.seed.create_ata(customer.address, mint)
    nested = shop.seed.create_ata(account, mint)
    came_in = shop.seed.pay_token(account, mint, PRICE)
    keys = [
        AccountMeta(nested, False, True),
        AccountMeta(mint, False, False),
        AccountMeta(account, False, True),
        AccountMeta(account, False, True),
        AccountMeta(mint, False, False),
        AccountMeta(customer.address, True, True),
        AccountMeta(TOKEN_PROGRAM, False, False),
    ]
    shop.seed.send([Instruction(ATA_PROGRAM, b"\x02", keys)], [customer.keypair])
    return came_in


def _pay_both(shop: Shop, first: Customer, second: Customer) -> str:
    """Both prices in three transfers of one transaction."""
    payer = shop.seed.customer.pubkey()
    parts = [(first, SOL // 20), (second, SOL // 10), (first, SOL // 20)]
    return shop.seed.send(
        [
            transfer(TransferParams(from_pubkey=payer, to_pubkey=one.address, lamports=lamports))
            for one, lamports in parts
        ]
    )


def test_f09_a_payment_counts_however_it_was_transferred(database: Database) -> None:
    with database.shop() as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        customers = [shop.new_payment() for _ in range(6)]
        new_sol, new_token, called, silent, twice, beside = customers
        signatures = {
            new_sol: shop.pay_sol(new_sol, version=1),
            new_token: shop.pay_token(new_token, mint, version=1),
            called: _pay_through_a_program(shop, called, mint),
            silent: shop.pay_token(silent, mint),
            twice: _pay_both(shop, twice, beside),
        }
        signatures[beside] = signatures[twice]
        record = shop.chain.history.get(signatures[silent])
        assert record is not None
        assert not [line for line in record.executed.logs if "Transfer" in line], "p-token writes no logs"
        shop.settle_chain()

        outcome = shop.run("recheck")

        assert outcome.accepted == outcome.swept == 6
        for customer, signature in signatures.items():
            assert shop.payment_row(customer).signature == signature
            bodies = [event.body for event in shop.events(customer) if event.kind == "payment.accepted"]
            [received] = [body["received"] for body in bodies]
            paid_in_sol = customer in (new_sol, twice, beside)
            asset, price = ("SOL", SOL // 10) if paid_in_sol else (str(mint), PRICE)
            assert received[asset] == str(price)
            assert len(landed_for(shop, customer)) == 1
        assert shop.received(mint) == 3 * PRICE
        assert_all_is_well(shop, customers)


def test_f12_money_that_lands_between_the_look_and_the_write_is_never_lost(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.shop() as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        late, credited, unpaid = (shop.new_payment() for _ in range(3))
        shop.wait(minutes=31)
        expire = WrittenBooks.expire
        waiting = [late]

        def after_payment(books: WrittenBooks, snapshots: Sequence[Snapshot]) -> object:
            if waiting and snapshots:
                shop.pay_token(waiting.pop(), mint)
                # The merchant's application, in the same moment.
                shop.set_status(credited, PaymentStatus.CONFIRMED)
                shop.settle_chain()
            return expire(books, snapshots)

        monkeypatch.setattr(WrittenBooks, "expire", after_payment)
        shop.run("expire")
        assert (shop.status(late), shop.state(late)) == ("expired", "received_funds")
        assert (shop.codes(late), shop.tokens_of(late.address, mint)) == ({"late"}, PRICE)
        assert shop.kinds(late) == ["payment.expired", "payment.held"]
        assert (shop.status(credited), shop.kinds(credited)) == ("confirmed", [])
        assert shop.state(unpaid) == "payment_expired_and_wallet_closed"
        shop.maintain(sweep_held_funds=True)
        assert (shop.state(late), shop.received(mint)) == ("sent_funds", PRICE)


def test_f12_a_second_decides_and_what_comes_after_the_close_is_held_and_told(database: Database) -> None:
    # Blocks are confirmed a second after they were made: what is paid may not be seen when its time is over.
    config = ChainConfig(slot_seconds=0.02, confirmed_lag=50, finalized_lag=60)
    with database.shop(config=config) as shop:
        shop.accept_sol()
        in_time, too_late, after_close, much_later = (shop.new_payment() for _ in range(4))
        lasting = shop.new_payment(lasts=timedelta(days=30))
        shop.chain.warp(30 * 60 - 2)
        paid = shop.chain.history.get(shop.pay_sol(in_time))
        assert paid is not None
        assert 0 <= shop.payment_row(in_time).expiration_date.timestamp() - paid.block_time <= 2
        shop.chain.warp(4)
        shop.pay_sol(too_late)
        shop.run("expire")
        assert shop.status(in_time) == "initiated", "nothing that is confirmed shows that its time is over"

        shop.settle_chain()
        shop.maintain()
        assert (shop.status(in_time), shop.state(in_time)) == ("confirmed", "sent_funds")
        assert (shop.status(too_late), shop.state(too_late)) == ("expired", "received_funds")
        assert shop.codes(too_late) == {"late"}
        assert shop.state(after_close) == "payment_expired_and_wallet_closed"

        shop.pay_sol(after_close)
        shop.settle_chain()
        shop.maintain()
        assert (shop.state(after_close), shop.codes(after_close)) == ("received_funds", {"late"})
        assert shop.kinds(after_close) == ["payment.expired", "wallet.closed", "payment.held"]

        shop.wait(days=6)
        shop.pay_sol(much_later)
        shop.settle_chain()
        shop.maintain()
        assert (shop.state(much_later), shop.codes(much_later)) == ("received_funds", {"late"})
        assert (shop.status(lasting), shop.state(lasting)) == ("initiated", "created")
        assert_all_is_well(shop, [in_time, too_late, after_close, much_later, lasting])


def test_f13_short_double_surplus_wrong_and_look_alike_are_labelled_and_dust_blocks_nothing(
    database: Database,
) -> None:
    with database.shop() as shop:
        shop.accept_sol()
        mint, other = shop.accept_mint(), shop.accept_mint()
        look_alike = shop.seed.create_mint()
        names = ("short", "topped_up", "surplus", "halves", "both", "wrong", "alike", "dusted")
        customers = {name: shop.new_payment(prices={None: "0.1", mint: "5"}) for name in names}
        for name, paid_in, amount in (
            ("short", mint, "4.999999"),
            ("topped_up", mint, "3"),
            ("topped_up", mint, "2"),
            ("surplus", mint, "7"),
            ("halves", mint, "2.5"),
            ("both", mint, "5"),
            ("wrong", other, "5"),
            ("alike", look_alike, "5"),
            ("dusted", mint, "5"),
        ):
            shop.pay_token(customers[name], paid_in, amount)
        shop.pay_sol(customers["halves"], "0.05")
        shop.pay_sol(customers["both"])
        dust = [shop.seed.create_mint() for _ in range(50)]
        for worthless in dust:
            shop.seed.mint_to(customers["dusted"].address, worthless, 1)
        shop.wait(minutes=31)

        shop.maintain(discover_accounts=True)

        states = {name: (shop.status(one), shop.state(one)) for name, one in customers.items()}
        held, swept = ("expired", "received_funds"), ("confirmed", "sent_funds")
        assert states == {
            "short": held,
            "topped_up": swept,
            "surplus": swept,
            "halves": held,
            "both": swept,
            "wrong": held,
            "alike": held,
            "dusted": states["dusted"],
        }
        codes = {name: shop.codes(one) for name, one in customers.items()}
        assert codes["short"] == codes["halves"] == {"short"}
        assert codes["surplus"] == codes["both"] == {"overpaid"}
        assert codes["wrong"] == codes["alike"] == {"unexpected"}
        assert codes["topped_up"] == set()
        # The token that paid is home, whatever becomes of the dust.
        assert shop.status(customers["dusted"]) == "confirmed"
        assert shop.tokens_of(customers["dusted"].address, mint) == 0
        assert shop.received(mint) == PRICE + 7_000_000 + PRICE + PRICE
        assert all(not shop.received(worthless) for worthless in dust), "no rent is spent on spam"
        assert_all_is_well(shop, customers.values(), discover_accounts=True)
