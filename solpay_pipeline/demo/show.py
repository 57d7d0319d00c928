"""The demo's story as tables for people."""

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from solpay_pipeline.demo.story import Story
from solpay_pipeline.lifecycle.findings import HELD, FindingCode


def show(story: Story, console: Console) -> None:
    """Print the whole story."""
    console.print(_situations(story))
    console.print(_counts("Payments", story.statuses()))
    console.print(_counts("Wallets", story.states()))
    console.print(_runs(story))
    console.print(_assets(story))
    console.print(_lamports(story))
    console.print(_ledger(story))
    console.print(_findings(story))
    _sums(story, console)
    _verdict(story, console)


def _situations(story: Story) -> Table:
    table = _table("Situations", "situation", "what happened")
    table.add_column("payments", justify="right")
    wrong = Counter(one.situation for one in story.differences)
    table.add_column("as expected", justify="right")
    for one in story.situations:
        table.add_row(one.name, one.sentence, str(one.count), str(one.count - wrong[one.name]))
    return table


def _counts(title: str, rows: Iterable[tuple[str, int, int]]) -> Table:
    table = _table(title, title.lower())
    table.add_column("before", justify="right")
    table.add_column("after", justify="right")
    for name, before, after in rows:
        if before or after:
            table.add_row(str(name), str(before), str(after))
    return table


def _runs(story: Story) -> Table:
    table = _table("What the runs did", "operation")
    names = (
        "looked_at",
        "accepted",
        "expired",
        "held_count",
        "swept",
        "closed",
        "set_aside_count",
        "transactions",
    )
    for name in names:
        table.add_column(name.removesuffix("_count").replace("_", " "), justify="right")
    table.add_column("rent back, lamports", justify="right")
    table.add_column("fees, lamports", justify="right")
    table.add_column("RPC calls", justify="right")
    for outcome in story.outcomes:
        calls = outcome["rpc_calls"]
        table.add_row(
            str(outcome["operation"]),
            *(str(outcome[name]) for name in names),
            _grouped(int(str(outcome["rent_lamports"]))),
            _grouped(int(str(outcome["fee_lamports"]))),
            str(sum(calls.values()) if isinstance(calls, dict) else 0),
        )
    return table


def _assets(story: Story) -> Table:
    columns = (
        "came in",
        "receiver",
        "withheld by mint",
        "held",
        "still in wallets",
        "elsewhere",
        "difference",
    )
    table = _table("Money, in base units, as the chain tells it", "token")
    for column in columns:
        table.add_column(column, justify="right")
    for book in story.books.assets:
        amounts = (
            book.came_in,
            book.receiver,
            book.withheld,
            book.held,
            book.in_wallets,
            book.elsewhere,
            book.difference,
        )
        table.add_row(book.symbol, *map(_grouped, amounts))
    return table


def _lamports(story: Story) -> Table:
    book = story.books.lamports
    rows = (
        ("came in: SOL, wrapped SOL, rent of accounts that others opened", book.came_in),
        ("+ fee payer at the start", book.fee_payer_at_start),
        ("+ receiver at the start", book.receiver_at_start),
        ("= receiver", book.receiver),
        ("+ fee payer", book.fee_payer),
        ("+ network fees", book.fees),
        ("+ rent still locked", book.rent_locked),
        ("+ in wallets, held or not", book.in_wallets),
        ("+ elsewhere", book.elsewhere),
        ("difference", book.difference),
    )
    return _amount_rows("Lamports, all of them", rows)


def _ledger(story: Story) -> Table:
    table = _table("The ledger beside the chain", "sum")
    table.add_column("chain", justify="right")
    table.add_column("ledger", justify="right")
    for one in story.books.ledger:
        table.add_row(one.what, _grouped(one.chain), _grouped(one.ledger))
    return table


def _findings(story: Story) -> Table:
    table = _table("Set aside, held and told", "kind", "reason", "situation")
    table.add_column("findings", justify="right")
    table.add_column("for example", overflow="fold")
    kinds: dict[tuple[str, str, str], list[str]] = {}
    for one in story.after.findings:
        finding = one.finding
        key = (_kind(finding.code), finding.code.value, story.situation_of(finding.wallet_id))
        kinds.setdefault(key, []).append(finding.explanation)
    for key, explanations in sorted(kinds.items()):
        table.add_row(*key, str(len(explanations)), explanations[0])
    return table


def _kind(code: FindingCode) -> str:
    if code in HELD:
        return "held"
    return (
        "told"
        if code in {FindingCode.OVERPAID, FindingCode.FOREIGN_MOVEMENT, FindingCode.FORK}
        else "set aside"
    )


def _sums(story: Story, console: Console) -> None:
    wallets = max(story.served_wallets, 1)
    console.print(
        f"{story.served_wallets} wallets swept or closed by {story.transactions} transactions: "
        f"{story.transactions / wallets:.2f} transactions and {story.fees // wallets} lamports of fees a wallet; "
        f"{_grouped(story.rent_back)} lamports of rent came back, {_grouped(story.fees)} were paid in fees.",
        highlight=False,
    )
    console.print(
        "Each run ends red in its last step, `verdict`: wallets were set aside on purpose, and a run that leaves "
        "something to a person never looks all green.",
        highlight=False,
    )
    console.print(
        f"{story.seconds:.1f} s, {story.seconds_to_populate:.1f} of them to make {len(story.cases)} payments "
        f"(seed {story.seed}). In {story.folder}: shop.db, dagster_home, solpay.env. `make dev` shows the runs.",
        highlight=False,
        soft_wrap=True,
    )


def _verdict(story: Story, console: Console) -> None:
    for one in story.differences:
        console.print(
            f"NOT AS EXPECTED: {one.situation}, payment {one.payment_id}: {one.words}",
            style="red",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if not story.books.balance:
        console.print("THE BOOKS DO NOT BALANCE.", style="red")
    if story.is_good:
        console.print(
            "All payments are as expected, and the books balance to the last base unit.", style="green"
        )


def _amount_rows(title: str, rows: Sequence[tuple[str, int]]) -> Table:
    table = _table(title, "")
    table.add_column("lamports", justify="right")
    for name, amount in rows:
        table.add_row(name, _grouped(amount))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _grouped(amount: int) -> str:
    return f"{amount:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
