"""`solpay sweep`, killed at any moment, leaves nothing that a plain run does not finish."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.localnet.tools.seed import TOKEN_2022
from solpay_pipeline_tests.command_line.warm import Death, Ended, Warm, solpay
from solpay_pipeline_tests.failures.crashes.ground import (
    assert_ledger_complete,
    assert_told_once,
    everybody,
    lamports_of,
    moved_by_ledger,
    our_transactions,
)
from solpay_pipeline_tests.shop import SOL, Customer, Shop, open_shop

pytestmark = pytest.mark.slow

HOME = "solpay_pipeline.operations"
RPC = "solpay_pipeline.chain.rpc.client:Rpc"

# In the order in which a sweep comes to them. The first send, record and apply are those of the receiver's accounts.
MOMENTS = {
    "with the receiver's accounts sent and not seen": Death(f"{RPC}.send", "after"),
    "with half of the wallets planned": Death(f"{HOME}.sweep:plan_sweep", "after", 4),
    "with the first transaction signed": Death(f"{HOME}.moving.submission:sign_for", "after", 2),
    "in the middle of recording": Death(
        f"{HOME}.changes.written_journal:transactions.record_all", "after", 2
    ),
    "with all recorded just now": Death(f"{HOME}.changes.written_journal:WrittenJournal.record", "after", 2),
    "with all recorded and none sent": Death(f"{HOME}.moving.submission:send", "before", 2),
    "with one sent and the others on their way": Death(f"{RPC}.send", "after", 2),
    "with all sent and none looked for": Death(f"{RPC}.statuses", "before", 2),
    "with all confirmed and none applied": Death(
        f"{HOME}.changes.written_journal:WrittenJournal.close", "before", 2
    ),
    "in the middle of applying": Death(
        f"{HOME}.changes.written_journal:transactions.close_landed", "after", 2
    ),
    "with all applied just now": Death(f"{HOME}.changes.written_journal:WrittenJournal.close", "after", 2),
    "with all applied and nothing read again": Death(f"{HOME}.moving.reconcile:_reloaded", "before"),
    "in the middle of marking": Death(f"{HOME}.changes.written_books:outbox.append", "after"),
    "with nothing left but the summary": Death(f"{HOME}.changes.written_books:summarize", "before"),
}

# Each comes a step further than the one before; most of them while they settle what it left.
ONE_AFTER_ANOTHER = (
    Death(f"{RPC}.send", "before"),
    Death(f"{RPC}.send", "after"),
    Death(f"{HOME}.sweep:plan_sweep", "after"),
    Death(f"{HOME}.moving.submission:sign_for", "after"),
    Death(f"{HOME}.changes.written_journal:WrittenJournal.record", "after"),
    Death(f"{HOME}.moving.settle:send", "before"),
    Death(f"{HOME}.changes.written_journal:WrittenJournal.close", "before"),
    Death(f"{HOME}.changes.written_books:outbox.append", "after"),
    Death(f"{HOME}.moving.reconcile:_reloaded", "before"),
)


@dataclass(frozen=True)
class Scene:
    """A shop with eight accepted payments, and what is to arrive at the receiver."""

    shop: Shop
    customers: list[Customer]
    tokens: dict[Pubkey, int]
    lamports: int
    all_lamports: int

    def sweep(self, warm: Warm, death: Death | None = None) -> Ended:
        return warm.run(self.shop.environment(), "sweep", death=death)

    def assert_everything_is_home(self) -> None:
        shop = self.shop
        for customer in self.customers:
            row = shop.wallet_row(customer)
            assert (row.state, row.receiver_address) == ("sent_funds", str(shop.deployment.receiver))
            assert lamports_of(shop, [customer.address]) == 0
        assert shop.received() == SOL + self.lamports
        for mint, amount in self.tokens.items():
            assert shop.received(mint) == amount
        self._assert_moved_once()
        assert_ledger_complete(shop)
        assert_told_once(shop, self.customers, "wallet.swept")

    def _assert_moved_once(self) -> None:
        shop = self.shop
        moves = moved_by_ledger(shop)
        receiver = shop.deployment.receiver
        assert moves["lamports", None, str(receiver)] == self.lamports
        for mint, amount in self.tokens.items():
            assert moves["tokens", str(mint), str(shop.ata(receiver, mint))] == amount
        fees = sum(record.executed.fee for record in our_transactions(shop))
        assert lamports_of(shop, everybody(shop, self.customers)) == self.all_lamports - fees


@contextmanager
def paid_wallets(folder: Path) -> Iterator[Scene]:
    """Two mints and SOL; three pay in the first mint, two in the second, two in SOL, one in everything."""
    with open_shop(folder) as shop:
        shop.accept_sol()
        classic, modern = shop.accept_mint(), shop.accept_mint(program=TOKEN_2022)
        how = [[classic]] * 3 + [[modern]] * 2 + [[None]] * 2 + [[classic, modern, None]]
        customers = []
        for mints in how:
            customer = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
            for mint in mints:
                if mint is None:
                    shop.pay_sol(customer)
                else:
                    shop.pay_token(customer, mint)
            customers.append(customer)
        shop.settle_chain()
        tokens = {classic: 4 * 5_000_000, modern: 3 * 5_000_000}
        before = lamports_of(shop, everybody(shop, customers))
        yield Scene(shop, customers, tokens, 3 * SOL // 10, before)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_sweep_that_was_killed_is_finished_by_a_plain_one(warm: Warm, tmp_path: Path, moment: str) -> None:
    with paid_wallets(tmp_path) as scene:
        assert scene.sweep(warm, MOMENTS[moment]).was_killed
        assert scene.sweep(warm).returncode == 0
        scene.assert_everything_is_home()


@pytest.mark.parametrize(
    "moment",
    ["with all recorded and none sent", "with all sent and none looked for", "in the middle of applying"],
)
def test_a_plain_sweep_that_comes_after_the_blockhash_has_died_plans_anew_only_what_never_landed(
    warm: Warm, tmp_path: Path, moment: str
) -> None:
    with paid_wallets(tmp_path) as scene:
        assert scene.sweep(warm, MOMENTS[moment]).was_killed
        scene.shop.chain.advance(400)
        assert scene.sweep(warm).returncode == 0
        scene.assert_everything_is_home()


def test_a_transaction_that_the_node_lost_before_the_crash_is_sent_again_as_it_was(
    warm: Warm, tmp_path: Path
) -> None:
    with paid_wallets(tmp_path) as scene:
        assert scene.sweep(warm, Death(f"{RPC}.send", "after")).was_killed
        scene.shop.node.faults.add(Fault("swallow", times=1))
        assert scene.sweep(warm, Death(f"{RPC}.statuses", "before", 2)).was_killed
        recorded = {row.signature for row in scene.shop.transactions()}
        assert scene.sweep(warm).returncode == 0
        scene.assert_everything_is_home()
        assert recorded <= {record.signature for record in our_transactions(scene.shop)}


def test_a_sweep_that_dies_again_and_again_gets_everything_home_in_the_end(
    warm: Warm, tmp_path: Path
) -> None:
    with paid_wallets(tmp_path) as scene:
        for death in ONE_AFTER_ANOTHER:
            assert scene.sweep(warm, death).was_killed, death
        assert scene.sweep(warm).returncode == 0
        scene.assert_everything_is_home()


def test_a_fresh_interpreter_finishes_what_a_killed_one_left(warm: Warm, tmp_path: Path) -> None:
    with paid_wallets(tmp_path) as scene:
        assert scene.sweep(warm, MOMENTS["with all recorded and none sent"]).was_killed
        assert solpay(scene.shop.environment(), "sweep").returncode == 0
        scene.assert_everything_is_home()
