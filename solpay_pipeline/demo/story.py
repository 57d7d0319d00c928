"""What a demo has come to: rows before and after, the outcomes of its runs, its books, and what is not as expected."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from solpay_pipeline.demo.books import Books
from solpay_pipeline.demo.situations import Situation
from solpay_pipeline.demo.verdicts import Difference, Rows
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.testing.shop import Customer


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that is told at the end; seconds are the wall clock's."""

    folder: Path
    seed: int
    situations: Sequence[Situation]
    cases: Sequence[Customer]
    before: Rows
    after: Rows
    outcomes: Sequence[Mapping[str, object]]
    books: Books
    differences: Sequence[Difference]
    seconds_to_populate: float
    seconds: float

    @property
    def is_good(self) -> bool:
        """All payments are as expected, and the books balance."""
        return not self.differences and self.books.balance

    @property
    def rent_back(self) -> int:
        """Lamports of rent that came back, by all outcomes."""
        return self._sum("rent_lamports")

    @property
    def fees(self) -> int:
        """Lamports of network fees, by all outcomes."""
        return self._sum("fee_lamports")

    @property
    def transactions(self) -> int:
        """Transactions that landed or failed on chain."""
        return self._sum("transactions")

    @property
    def served_wallets(self) -> int:
        """Wallets that were swept or closed; each fee is shared by them."""
        return self._sum("swept") + self._sum("closed")

    def statuses(self) -> list[tuple[PaymentStatus, int, int]]:
        """Payments by status, before and after."""
        before, after = Counter(self.before.statuses.values()), Counter(self.after.statuses.values())
        return [(status, before[status], after[status]) for status in PaymentStatus]

    def states(self) -> list[tuple[WalletState, int, int]]:
        """Wallets by state, before and after."""
        before, after = Counter(self.before.states.values()), Counter(self.after.states.values())
        return [(state, before[state], after[state]) for state in WalletState]

    def situation_of(self, wallet_id: int | None) -> str:
        """The name of the situation that a wallet was made for."""
        return next((case.name for case in self.cases if case.wallet_id == wallet_id), "")

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; amounts of money are decimal strings, since JSON numbers lose digits beyond 2^53."""
        return {
            "good": self.is_good,
            "folder": str(self.folder),
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "seconds_to_populate": round(self.seconds_to_populate, 1),
            "situations": [
                {"name": one.name, "sentence": one.sentence, "count": one.count} for one in self.situations
            ],
            "payments": {status.value: {"before": b, "after": a} for status, b, a in self.statuses()},
            "wallets": {state.value: {"before": b, "after": a} for state, b, a in self.states()},
            "books": {
                "balance": self.books.balance,
                "assets": [_money(asdict(book), book.difference) for book in self.books.assets],
                "lamports": _money(asdict(self.books.lamports), self.books.lamports.difference),
                "ledger": [_money(asdict(one), one.chain - one.ledger) for one in self.books.ledger],
            },
            "rent_back_lamports": str(self.rent_back),
            "fee_lamports": str(self.fees),
            "transactions": self.transactions,
            "served_wallets": self.served_wallets,
            "findings": [
                {
                    "situation": self.situation_of(one.finding.wallet_id),
                    "wallet_id": one.finding.wallet_id,
                    "payment_id": one.finding.payment_id,
                    "code": one.finding.code.value,
                    "set_aside": one.finding.is_set_aside,
                    "explanation": one.finding.explanation,
                }
                for one in self.after.findings
            ],
            "differences": [asdict(one) for one in self.differences],
            "runs": list(self.outcomes),
        }

    def _sum(self, name: str) -> int:
        return sum(int(str(outcome[name])) for outcome in self.outcomes)


def _money(values: dict[str, Any], difference: int) -> dict[str, Any]:
    shown = {name: str(value) if isinstance(value, int) else value for name, value in values.items()}
    return {**shown, "difference": str(difference)}
