"""The day of the change: tables by the peer's migrations, payments by its service, and then our operations on them.

What is right is read twice: by us, and by Django's ORM in the peer's own process.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.terms import WalletState
from solpay_pipeline.localnet.chain.engine import ChainConfig
from solpay_pipeline.localnet.tools.seed import TOKEN_2022
from solpay_pipeline.operations.context.outcome import Outcome
from solpay_pipeline_tests.beside_the_peer.peer.kit import EXPIRE, RECHECK, RECLAIM, SWEEP, Peer
from solpay_pipeline_tests.shop import SOL, Customer, Shop, open_shop

PRICE = 5 * 10**6
SOL_PRICE = SOL // 10
PEER_SLOT_SECONDS = 0.05
"""The peer waits for each of its transactions and polls slowly: with shorter slots its blockhashes die of that."""

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Change:
    """A shop that the peer has run so far: the peer, its customers, and our side of the same database and chain."""

    peer: Peer
    shop: Shop
    usdc: Pubkey
    pyusd: Pubkey
    customers: list[Customer]

    def ours(self, customer: Customer) -> tuple[str, str]:
        """Status and wallet state as we read them."""
        return self.shop.status(customer), self.shop.state(customer)

    def as_django_reads(self, customers: Iterable[Customer]) -> list[tuple[str, str]]:
        """Status and wallet state by the peer's own models."""
        by_id = {one["id"]: one for one in self.peer.states()["payments"]}
        read = [by_id[customer.payment_id] for customer in customers]
        return [(one["status"], one["wallet_state"]) for one in read]

    def accounts(self, customer: Customer) -> int:
        return sum(self.shop.has_account(customer, mint) for mint in (self.usdc, self.pyusd))


@contextmanager
def change_of_hands(folder: Path, database_url: str, payments: int) -> Iterator[Change]:
    """Tables, tokens and payments are all of the peer's making; ours are only the pipeline's own tables."""
    config = ChainConfig(slot_seconds=PEER_SLOT_SECONDS)
    with open_shop(folder, database_url=database_url, config=config, create_tables=False) as shop:
        usdc, pyusd = shop.seed.create_mint(), shop.seed.create_mint(program=TOKEN_2022)
        peer = Peer(**shop.as_settings())
        peer.set_up(native_price="0.1", spl_prices={str(usdc): "5"})
        created = peer.create_payments(payments)
        customers = shop.customers_of(created)
        assert [str(one.address) for one in customers] == [one["address"] for one in created]
        yield Change(peer, shop, usdc, pyusd, customers)


def maintained_twice(shop: Shop) -> list[Outcome]:
    return [shop.run(operation) for _ in range(2) for operation in ("expire", "sweep", "reclaim", "recheck")]


def test_a_database_made_and_filled_by_the_peer_goes_through_all_operations_and_django_reads_it_right(
    tmp_path: Path, database_url: str
) -> None:
    with change_of_hands(tmp_path, database_url, payments=7) as change:
        shop, peer, usdc = change.shop, change.peer, change.usdc
        in_sol, in_usdc, unpaid, late, short, missed, live = change.customers
        # The peer accepts the first two; it does not know of the other payments.
        signatures = {in_sol: shop.pay_sol(in_sol), in_usdc: shop.pay_token(in_usdc, usdc)}
        shop.settle_chain()
        for customer, token in ((in_sol, None), (in_usdc, usdc)):
            _accept(change, customer, token, signatures[customer])
        shop.pay_token(short, usdc, "2")
        signatures[missed] = shop.pay_token(missed, usdc)
        shop.settle_chain()
        # The unpaid one's account, and the empty one of the wallet whose SOL came late.
        rent = 2 * shop.seed.lamports(shop.ata(unpaid.address, usdc))

        # Nobody has looked at `missed` yet: only recheck finds it.
        outcomes = {"recheck": shop.run("recheck")}
        assert (outcomes["recheck"].accepted, outcomes["recheck"].swept) == (1, 1)
        assert change.ours(missed) == ("confirmed", "sent_funds")
        assert change.ours(live) == ("initiated", "created")

        shop.wait(minutes=31)
        shop.pay_sol(late)
        shop.settle_chain()
        with shop.deployment.engine.begin() as connection:
            _keep_alive(connection, shop, live)
        for operation in ("expire", "sweep", "reclaim"):
            outcomes[operation] = shop.run(operation)

        expected = {
            in_sol: ("confirmed", "sent_funds"),
            in_usdc: ("confirmed", "sent_funds"),
            missed: ("confirmed", "sent_funds"),
            unpaid: ("expired", "payment_expired_and_wallet_closed"),
            late: ("expired", "received_funds"),
            short: ("expired", "received_funds"),
            live: ("initiated", "created"),
        }
        django = peer.states()
        by_id = {one["id"]: one for one in django["payments"]}
        assert {
            one: (by_id[one.payment_id]["status"], by_id[one.payment_id]["wallet_state"]) for one in expected
        } == expected
        for customer, signature in signatures.items():
            assert by_id[customer.payment_id]["signature"] == signature
        tokens = {one["paid_token"] for one in by_id.values()}
        assert (by_id[in_sol.payment_id]["paid_token"], by_id[missed.payment_id]["paid_token"]) == (1, 2)
        assert tokens == {1, 2, None}
        receivers = {one["id"]: one["receiver_address"] for one in django["wallets"]}
        for customer in (in_sol, in_usdc, missed):
            assert receivers[customer.wallet_id] == str(shop.deployment.receiver)
        # The peer still opens every wallet by its own key.
        assert peer.addresses() == {one.wallet_id: str(one.address) for one in change.customers}

        assert (shop.received() - SOL, shop.received(usdc)) == (SOL_PRICE, 2 * PRICE)
        assert outcomes["expire"].rent + outcomes["reclaim"].rent == rent
        assert (shop.codes(late), shop.codes(short)) == ({"late"}, {"short"})
        assert all(outcome.is_clean for outcome in outcomes.values())
        assert [change.accounts(one) for one in (in_sol, in_usdc, missed, unpaid, live)] == [0, 0, 0, 0, 1]

        events = [one.event_id for one in shop.events()]
        maintained_twice(shop)
        assert peer.states() == django
        assert [one.event_id for one in shop.events()] == events
        assert (shop.received() - SOL, shop.received(usdc)) == (SOL_PRICE, 2 * PRICE)


@pytest.mark.postgres
def test_what_the_peers_commands_did_wrong_between_ours_is_put_right(
    tmp_path: Path, postgres_url: str
) -> None:
    with change_of_hands(tmp_path, postgres_url, payments=4) as change:
        shop, peer, usdc = change.shop, change.peer, change.usdc
        paid, unpaid, forwarded, live = change.customers
        shop.pay_sol(forwarded)
        shop.settle_chain()
        # The peer's recheck accepts, and sends on what it sees; every wallet that it looks at is `processing_payment`.
        peer.command(RECHECK)
        assert change.ours(forwarded) == ("confirmed", "sent_funds")
        assert change.ours(live)[1] == "processing_payment"
        shop.pay_token(paid, usdc)
        shop.settle_chain()

        # A sweep of the peer's would close these live wallets; ours gives them back.
        outcome = shop.run("sweep")
        assert (outcome.accepted, outcome.swept) == (1, 1)
        assert change.ours(paid) == ("confirmed", "sent_funds")
        assert change.ours(live) == ("initiated", "created")
        assert (change.accounts(live), change.accounts(unpaid)) == (1, 1)

        shop.wait(minutes=31)
        peer.expire_now([unpaid.payment_id])
        peer.command(EXPIRE)
        # S1: it forgets the wallet.
        assert change.ours(unpaid) == ("expired", "created")
        maintained_twice(shop)

        assert change.ours(unpaid) == ("expired", "payment_expired_and_wallet_closed")
        assert change.accounts(unpaid) == 0
        # The chain's clock is ahead of Django's: to us its time is over.
        assert change.ours(live) == ("expired", "payment_expired_and_wallet_closed")
        assert (shop.received() - SOL, shop.received(usdc)) == (SOL_PRICE, PRICE)
        peer.command(SWEEP)
        peer.command(RECLAIM)
        assert change.as_django_reads([paid, forwarded]) == 2 * [("confirmed", "sent_funds")]
        assert change.ours(unpaid) == change.ours(live) == ("expired", "payment_expired_and_wallet_closed")


def test_a_sweep_of_the_peers_between_ours_is_told_as_a_foreign_movement(tmp_path: Path) -> None:
    with change_of_hands(tmp_path, None, payments=2) as change:
        shop, peer = change.shop, change.peer
        swept_by_peer, ours = change.customers
        signature = shop.pay_sol(swept_by_peer)
        shop.settle_chain()
        _accept(change, swept_by_peer, None, signature)
        peer.command(SWEEP)
        assert change.ours(swept_by_peer) == ("confirmed", "sent_funds")
        # As after a crash of the peer's between its transaction and its record (S7, S14).
        change.shop.change_wallet(swept_by_peer, state="failed_to_send_funds")
        shop.pay_sol(ours)
        shop.settle_chain()

        shop.run("recheck")
        outcome = shop.run("sweep")

        assert (outcome.swept, outcome.is_clean) == (1, True)
        assert change.as_django_reads(change.customers) == 2 * [("confirmed", "sent_funds")]
        assert shop.codes(swept_by_peer) == {"foreign_movement"}
        assert shop.codes(ours) == set()
        assert shop.received() - SOL == 2 * SOL_PRICE
        assert (change.accounts(swept_by_peer), change.accounts(ours)) == (0, 0)
        peer.command(SWEEP)
        maintained_twice(shop)
        assert [change.ours(one) for one in change.customers] == 2 * [("confirmed", "sent_funds")]
        assert shop.received() - SOL == 2 * SOL_PRICE


def _accept(change: Change, customer: Customer, mint: Pubkey | None, signature: str) -> None:
    """What the peer's verify endpoint writes before it sends the money on."""
    change.shop.read_tokens()
    assert change.shop.accept_payment(customer, mint, signature, WalletState.PROCESSING_FUNDS)


def _keep_alive(connection: sa.Connection, shop: Shop, customer: Customer) -> None:
    payment = shop.deployment.tables.payment
    connection.execute(
        sa.update(payment)
        .where(payment.c.id == customer.payment_id)
        .values(expiration_date=shop.now() + timedelta(hours=1))
    )
