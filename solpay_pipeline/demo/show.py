"""The demo's story as tables for people."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple

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
    wrong = Counter(one.situation for one in story.differences)
    return _table(
        "Situations",
        ("situation", "what happened", "payments", "as expected"),
        [(one.name, one.sentence, one.count, one.count - wrong[one.name]) for one in story.situations],
    )


def _counts(title: str, rows: Iterable[tuple[str, int, int]]) -> Table:
    shown = [row for row in rows if row[1] or row[2]]
    return _table(title, (title.lower(), "before", "after"), shown)


def _runs(story: Story) -> Table:
    names = (
        "looked_at",
        "accepted",
        "expired",
        "held_count",
        "swept",
        "closed",
        "set_aside_count",
        "transactions",
        "rent_lamports",
        "fee_lamports",
    )
    columns = [name.removesuffix("_count").replace("_", " ") for name in names[:8]]
    rows = []
    for outcome in story.outcomes:
        calls = outcome["rpc_calls"]
        called = sum(calls.values()) if isinstance(calls, dict) else 0
        numbers = [int(str(outcome[name])) for name in names]
        rows.append((str(outcome["operation"]), *numbers, called))
    more = ("rent back, lamports", "fees, lamports", "RPC calls")
    return _table("What the runs did", ("operation", *columns, *more), rows)


def _assets(story: Story) -> Table:
    columns = (
        "token",
        "came in",
        "receiver",
        "withheld by mint",
        "held",
        "still in wallets",
        "elsewhere",
        "difference",
    )
    rows = [(*astuple(book), book.difference) for book in story.books.assets]
    return _table("Money, in base units, as the chain tells it", columns, rows)


def _lamports(story: Story) -> Table:
    book = story.books.lamports
    words = (
        "came in: SOL, wrapped SOL, rent of accounts that others opened",
        "+ fee payer at the start",
        "+ receiver at the start",
        "= receiver",
        "+ fee payer",
        "+ network fees",
        "+ rent still locked",
        "+ in wallets, held or not",
        "+ elsewhere",
        "difference",
    )
    rows = list(zip(words, (*astuple(book), book.difference), strict=True))
    return _table("Lamports, all of them", ("", "lamports"), rows)


def _ledger(story: Story) -> Table:
    rows = [astuple(one) for one in story.books.ledger]
    return _table("The ledger beside the chain", ("sum", "chain", "ledger"), rows)


def _findings(story: Story) -> Table:
    kinds: dict[tuple[str, str, str], list[str]] = {}
    for one in story.after.findings:
        finding = one.finding
        key = (_kind(finding.code), finding.code.value, story.situation_of(finding.wallet_id))
        kinds.setdefault(key, []).append(finding.explanation)
    columns = ("kind", "reason", "situation", "findings", "for example")
    rows = [(*key, len(explanations), explanations[0]) for key, explanations in sorted(kinds.items())]
    return _table("Set aside, held and told", columns, rows)


def _kind(code: FindingCode) -> str:
    if code in HELD:
        return "held"
    only_told = {FindingCode.OVERPAID, FindingCode.FOREIGN_MOVEMENT, FindingCode.FORK}
    return "told" if code in only_told else "set aside"


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


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A column of numbers stands to the right."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for place, column in enumerate(columns):
        if rows and all(isinstance(row[place], int) for row in rows):
            table.add_column(column, justify="right")
        else:
            table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_grouped(one) if isinstance(one, int) else str(one) for one in row))
    return table


def _grouped(amount: int) -> str:
    return f"{amount:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
