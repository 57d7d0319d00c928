"""`solpay maintain`, killed from outside at fifty random moments, each time finished by one plain run.

`python -m solpay_pipeline_tests.failures.crashes.fifty_deaths` prints a row for each death and what was wrong after the plain run
that followed it, and ends with 1 where anything was. Every death begins with the same shop, restored from its
database file and its chain's state file. The moments are drawn from a seed,
half of them over the work of a run that nobody disturbs (in CPU seconds of the process, which a busy machine does not
stretch), half of them over the transactions that it records, where most can go wrong; and each has a part of a second
more, by the clock, so that a run may also die while it waits.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from solders.pubkey import Pubkey

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger.tables import event, leg, transaction
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.config import BLOCKHASH_LIFE_BLOCKS
from solpay_pipeline.localnet.chain.engine import ChainConfig
from solpay_pipeline.localnet.server import state_file
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline.localnet.tools.seed import TOKEN_2022
from solpay_pipeline.testing.keys import Keys
from solpay_pipeline_tests.command_line.warm import Ended, Warm, warm_solpay
from solpay_pipeline_tests.failures.crashes.ground import (
    NEVER_LANDED,
    OVER,
    everybody,
    lamports_of,
    moved_by_ledger,
    our_transactions,
)
from solpay_pipeline_tests.shop import SOL, Customer, Shop, open_shop

KEYS = Keys("fifty deaths")
CONFIG = ChainConfig(slot_seconds=0.05)
"""A blockhash lives for 7.5 s: some of what a death leaves may still land, some is dead when the plain run comes."""

PRICE = 5_000_000
LONGEST_WAIT = 0.6
"""Seconds by the clock after the CPU second that was drawn; the longest usual wait between two polls is 0.4."""

REDRAWS = 5
"""Where a run was over before its death came, the moment is drawn again, in its first four fifths."""

LATE_HELP = 4
"""The plain run of every fourth death comes when all blockhashes of the dead one are over."""

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Fate:
    """How a payment of the stock begins, what it is paid in, and what becomes of it."""

    share: int
    payment: tuple[PaymentStatus, WalletState]
    mints: tuple[int | None, ...]
    end: tuple[str, str]
    told: tuple[str, ...]
    lasts: timedelta = timedelta(minutes=30)


_ACCEPTED = (PaymentStatus.CONFIRMED, WalletState.PROCESSING_PAYMENT)
_OPEN = (PaymentStatus.INITIATED, WalletState.CREATED)
_SWEPT = ("confirmed", "sent_funds")
_CLOSED = ("expired", "payment_expired_and_wallet_closed")

FATES = (
    Fate(40, _OPEN, (), _CLOSED, ("payment.expired", "wallet.closed")),
    Fate(20, _ACCEPTED, (0,), _SWEPT, ("wallet.swept",)),
    Fate(10, _ACCEPTED, (1,), _SWEPT, ("wallet.swept",)),
    Fate(5, _ACCEPTED, (None,), _SWEPT, ("wallet.swept",)),
    Fate(5, _ACCEPTED, (0, 1, None), _SWEPT, ("wallet.swept",)),
    Fate(15, (PaymentStatus.EXPIRED, WalletState.PAYMENT_EXPIRED), (), _CLOSED, ("wallet.closed",)),
    # Paid in time, and nobody has looked: expire finds it.
    Fate(4, _OPEN, (0,), _SWEPT, ("payment.accepted", "wallet.swept")),
    Fate(1, _OPEN, (), ("initiated", "created"), (), timedelta(days=30)),
)
"""Shares in a hundred. All wallets have two token accounts, the last kind's stay open."""


@dataclass(frozen=True)
class Stock:
    """A shop at rest in two files, and what there is to know of it."""

    folder: Path
    shop: Shop
    customers: Sequence[Customer]
    fates: Sequence[Fate]
    mints: tuple[Pubkey, Pubkey]
    lamports: int

    def expected(self, mint: int | None) -> int:
        """Base units that arrive at the receiver."""
        price = SOL // 10 if mint is None else PRICE
        return price * sum(mint in fate.mints for fate in self.fates)


@dataclass(frozen=True)
class Verdict:
    """What was wrong when all was over. `missing` are base units that are not where they belong, more or less alike."""

    wallets_wrong: int
    missing: int
    complaints: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        return not (self.wallets_wrong or self.missing or self.complaints)


@dataclass(frozen=True)
class Moment:
    """So many CPU seconds of `work` and so many transactions `recorded`, and then a `wait` by the clock."""

    work: float
    recorded: int
    wait: float

    def __str__(self) -> str:
        after = f"record {self.recorded:3}" if self.recorded else f"{self.work:7.2f} s"
        return f"{after} +{self.wait:5.2f} s"


@dataclass(frozen=True)
class Death:
    """One death; `step` is the operation that had told or recorded last."""

    number: int
    moment: Moment
    was_killed: bool
    step: str
    states: Counter[str]
    at_rest: int
    resigned: int
    verdict: Verdict

    @property
    def was_mid_flight(self) -> bool:
        """Whether transactions were recorded whose fate the dead process had not written down."""
        return self.states["recorded"] > 0


@contextmanager
def stocked(folder: Path, wallets: int) -> Iterator[Stock]:
    """Makes the shop and puts it away."""
    fates = _fates(wallets)
    with open_shop(folder, config=CONFIG, keys=KEYS) as shop:
        shop.accept_sol()
        classic, modern = shop.accept_mint(), shop.accept_mint(program=TOKEN_2022)
        mints: list[Pubkey] = [classic, modern]
        customers = []
        for fate in fates:
            status, state = fate.payment
            customer = shop.new_payment(status=status, state=state, lasts=fate.lasts)
            for paid in fate.mints:
                if paid is None:
                    shop.pay_sol(customer)
                else:
                    shop.pay_token(customer, mints[paid])
            customers.append(customer)
        shop.wait(hours=1)
        shop.finalize_chain()
        lamports = lamports_of(shop, everybody(shop, customers))
        shop.deployment.engine.dispose()
        _fold_in(folder / "shop.db")
        state_file.save(shop.chain, folder / "chain.json")
        yield Stock(folder, shop, customers, fates, (classic, modern), lamports)


@contextmanager
def restored(stock: Stock, folder: Path) -> Iterator[Shop]:
    """The shop as it was put away, behind a port of its own."""
    shutil.copy(stock.folder / "shop.db", folder / "shop.db")
    url = f"sqlite:///{folder / 'shop.db'}"
    chain = state_file.load(stock.folder / "chain.json", CONFIG)
    with running(chain) as node, Shop.open(url, node, keys=KEYS) as shop:
        shop.tokens.update(stock.shop.tokens)
        yield shop


def undisturbed(warm: Warm, stock: Stock) -> tuple[Moment, Verdict]:
    """The last moment of a maintain that nobody kills, and whether it does everything."""
    with tempfile.TemporaryDirectory() as folder, restored(stock, Path(folder)) as shop:
        ended, work = _watched(warm, shop, None)
        return Moment(work, len(shop.transactions()), 0.0), judged(stock, shop, ended)


def die(warm: Warm, stock: Stock, number: int, moment: Moment) -> Death:
    """One maintain, killed at that moment, and a plain one after it."""
    with tempfile.TemporaryDirectory() as folder, restored(stock, Path(folder)) as shop:
        killed, _ = _watched(warm, shop, moment)
        states = Counter(str(row.state) for row in shop.transactions())
        step, at_rest = _last_step(shop), _at_rest(shop)
        left = {row.signature for row in shop.transactions() if row.state == "recorded"}
        if number % LATE_HELP == 0:
            shop.chain.advance(BLOCKHASH_LIFE_BLOCKS + CONFIG.finalized_lag + 50)
        ended = warm.run(shop.environment(), "maintain")
        verdict = judged(stock, shop, ended)
        resigned = sum(row.signature in left and row.state == "dead" for row in shop.transactions())
        return Death(number, moment, killed.was_killed, step, states, at_rest, resigned, verdict)


def deaths(warm: Warm, stock: Stock, count: int, last: Moment, seed: int) -> Iterator[Death]:
    """So many deaths, each at a moment of its own, up to `last`."""
    dice = random.Random(seed)
    for number in range(1, count + 1):
        # Each in its own of `count` equal parts, so that no part of a run goes without its death.
        share = (number - 1 + dice.random()) / count
        death = die(warm, stock, number, _moment(number, share, last, dice))
        for _ in range(REDRAWS):
            if death.was_killed or not death.verdict.is_clean:
                break
            death = die(warm, stock, number, _moment(number, 0.8 * dice.random(), last, dice))
        yield death


def judged(stock: Stock, shop: Shop, ended: Ended) -> Verdict:
    """Every wallet, every base unit, every row of the ledger, every event; and how the plain run said goodbye."""
    complaints = []
    if ended.returncode != 0 or "Traceback" in ended.stderr:
        complaints.append(f"the plain run ended with {ended.returncode}: {ended.stderr.strip()[-300:]}")
    wrong = {
        customer.wallet_id: found
        for customer, fate in zip(stock.customers, stock.fates, strict=True)
        if (found := _wrong(shop, customer, fate)) is not None
    }
    complaints += [f"wallet {wallet_id}: {found}" for wallet_id, found in list(wrong.items())[:5]]
    complaints += _ledger_complaints(shop)
    return Verdict(len(wrong), _missing(stock, shop), tuple(complaints))


def report(deaths_so_far: Sequence[Death]) -> bool:
    """The figures of all deaths together; True where nothing was wrong."""
    wrong = sum(each.verdict.wallets_wrong for each in deaths_so_far)
    missing = sum(each.verdict.missing for each in deaths_so_far)
    steps = Counter(each.step for each in deaths_so_far)
    print(
        f"\n{len(deaths_so_far)} runs, {sum(each.was_killed for each in deaths_so_far)} killed\n"
        f"last at work: {', '.join(f'{name} {count}' for name, count in steps.most_common())}\n"
        f"died with transactions in flight: {sum(each.was_mid_flight for each in deaths_so_far)}, "
        f"with {sum(each.states['recorded'] for each in deaths_so_far)} of them; dead by the plain run's time and "
        f"signed anew: {sum(each.resigned for each in deaths_so_far)}\n"
        f"wallets wrong: {wrong}\nbase units missing: {missing}\n"
        f"other complaints: {sum(len(each.verdict.complaints) for each in deaths_so_far)}"
    )
    return all(each.verdict.is_clean and each.was_killed for each in deaths_so_far)


def _fates(wallets: int) -> list[Fate]:
    """Shares of a hundred, at least one of each kind, mixed the same way every time."""
    fates = [fate for fate in FATES for _ in range(max(1, fate.share * wallets // 100))]
    fates += [FATES[0]] * (wallets - len(fates))
    random.Random(wallets).shuffle(fates)
    return fates


def _moment(number: int, share: float, last: Moment, dice: random.Random) -> Moment:
    wait = LONGEST_WAIT * dice.random()
    if number % 2:
        return Moment(share * last.work, 0, wait)
    return Moment(0.0, 1 + int(share * (last.recorded - 1)), wait)


def _fold_in(file: Path) -> None:
    """Move what stands in the write-ahead log into the file that is copied."""
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()


def _watched(warm: Warm, shop: Shop, moment: Moment | None) -> tuple[Ended, float]:
    """A maintain, killed at a moment where there is one; how it ended, and the CPU seconds that were seen of it."""
    over = threading.Event()
    seen = [0.0]
    watcher = threading.Thread(target=_watch, args=(warm._process.pid, shop, moment, over, seen))
    watcher.start()
    ended = warm.run(shop.environment(), "maintain")
    over.set()
    watcher.join()
    return ended, seen[0]


def _watch(parent: int, shop: Shop, moment: Moment | None, over: threading.Event, seen: list[float]) -> None:
    """SIGKILL to the one child that `parent` has forked, from outside and whatever it is doing."""
    child = None
    while not over.wait(0.01):
        child = child or next(
            (int(each.name) for each in Path("/proc").glob("[0-9]*") if _stat(each, 1) == parent), None
        )
        work = None if child is None else _cpu_seconds(child)
        if child is None or work is None:
            continue
        seen[0] = max(seen[0], work)
        if moment is not None and work >= moment.work and _recorded(shop) >= moment.recorded:
            if not over.wait(moment.wait):
                os.kill(child, signal.SIGKILL)
            return


def _recorded(shop: Shop) -> int:
    with reading(shop.deployment.engine) as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(transaction)).scalar_one())


def _cpu_seconds(process: int) -> float | None:
    folder = Path(f"/proc/{process}")
    user, system = _stat(folder, 11), _stat(folder, 12)
    return None if user is None or system is None else (user + system) / TICKS


def _stat(folder: Path, place: int) -> int | None:
    """A field of proc(5)'s `stat`, counted behind the name; None where the process is gone."""
    try:
        stat = (folder / "stat").read_text()
    except OSError:
        return None
    # The name in brackets may hold blanks and brackets itself.
    return int(stat.rpartition(")")[2].split()[place])


def _last_step(shop: Shop) -> str:
    rows = [(row.created_at, row.operation) for row in (*shop.transactions(), *shop.events())]
    return max(rows)[1] if rows else "nothing yet"


def _at_rest(shop: Shop) -> int:
    wallet = shop.deployment.tables.wallet
    rest = [WalletState.SENT_FUNDS.value, WalletState.CLOSED.value]
    with reading(shop.deployment.engine) as connection:
        query = sa.select(sa.func.count()).select_from(wallet).where(wallet.c.state.in_(rest))
        return int(connection.execute(query).scalar_one())


def _wrong(shop: Shop, customer: Customer, fate: Fate) -> str | None:
    found = (shop.status(customer), shop.state(customer))
    if found != fate.end:
        return f"it is {found}, not {fate.end}"
    is_live = fate.end[0] == "initiated"
    if lamports_of(shop, [customer.address]) and not is_live:
        return f"it is {found} and holds something"
    if is_live and not all(shop.has_account(customer, mint) for mint in shop.mints):
        return "it is live and an account is closed"
    receiver = shop.wallet_row(customer).receiver_address
    if fate.end == _SWEPT and receiver != str(shop.deployment.receiver):
        return f"it was swept to {receiver}"
    if tuple(told := shop.kinds(customer)) != fate.told:
        return f"it was told {told}"
    return None


def _missing(stock: Stock, shop: Shop) -> int:
    """Base units of all kinds that are more or less than they should be, on the chain and in the ledger."""
    receiver, moves = shop.deployment.receiver, moved_by_ledger(shop)
    off = abs(shop.received() - SOL - stock.expected(None))
    off += abs(moves["lamports", None, str(receiver)] - stock.expected(None))
    for place, mint in enumerate(stock.mints):
        off += abs(shop.received(mint) - stock.expected(place))
        off += abs(moves["tokens", str(mint), str(shop.ata(receiver, mint))] - stock.expected(place))
    fees = sum(record.executed.fee for record in our_transactions(shop))
    return off + abs(lamports_of(shop, everybody(shop, stock.customers)) + fees - stock.lamports)


def _ledger_complaints(shop: Shop) -> list[str]:
    landed = {record.signature for record in our_transactions(shop)}
    rows = {row.signature: str(row.state) for row in shop.transactions()}
    complaints = [f"{signature} left and is not in the ledger" for signature in landed - rows.keys()]
    for signature, state in rows.items():
        if state not in OVER | NEVER_LANDED:
            complaints.append(f"{signature} is still {state}")
        elif (state in OVER) != (signature in landed):
            complaints.append(f"{signature} is {state}, which the chain denies")
    with reading(shop.deployment.engine) as connection:
        held = connection.execute(sa.select(leg.c.wallet_id).where(leg.c.active_wallet_id.is_not(None)))
        complaints += [f"wallet {row.wallet_id} is locked for good" for row in held]
        twice = connection.execute(
            sa.select(event.c.payment_id, event.c.kind)
            .group_by(event.c.payment_id, event.c.kind)
            .having(sa.func.count() > 1)
        )
        complaints += [f"payment {row.payment_id} was told {row.kind} twice" for row in twice]
    return complaints


def main() -> int:
    """The command."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--deaths", type=int, default=50)
    options.add_argument("--wallets", type=int, default=500)
    options.add_argument("--seed", type=int, default=2026)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, warm_solpay() as warm:
        started = time.monotonic()
        with stocked(Path(folder), asked.wallets) as stock:
            print(f"{asked.wallets} wallets made in {time.monotonic() - started:.0f} s")
            last, verdict = undisturbed(warm, stock)
            print(
                f"undisturbed: {last.work:.2f} CPU seconds, {last.recorded} transactions, "
                f"{'clean' if verdict.is_clean else verdict}\n"
            )
            print(
                " no  moment               killed  last at work   in flight  landed  at rest  wrong  missing"
            )
            all_of_them = []
            for each in deaths(warm, stock, asked.deaths, last, asked.seed):
                all_of_them.append(each)
                landed = sum(each.states[state] for state in OVER)
                print(
                    f"{each.number:3}  {each.moment}  {'yes' if each.was_killed else 'no ':6}  {each.step:13}"
                    f"{each.states['recorded']:11}{landed:8}{each.at_rest:9}"
                    f"{each.verdict.wallets_wrong:7}{each.verdict.missing:9}",
                    flush=True,
                )
                for complaint in each.verdict.complaints:
                    print(f"     {complaint}", flush=True)
            is_clean = report(all_of_them)
        print(f"{time.monotonic() - started:.0f} s in all")
    return 0 if is_clean and verdict.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
