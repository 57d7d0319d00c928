"""Does every payment of the demo stand where its situation says it must?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from solpay_pipeline.base.database import reading
from solpay_pipeline.demo.shop import Case, Shop
from solpay_pipeline.demo.situation import Situation
from solpay_pipeline.ledger import findings
from solpay_pipeline.ledger.findings import StandingFinding
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState


@dataclass(frozen=True, slots=True)
class Rows:
    """Payment statuses and wallet states by their ids, and all findings that stand."""

    statuses: Mapping[int, PaymentStatus]
    states: Mapping[int, WalletState]
    findings: tuple[StandingFinding, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A payment that is not as its situation expects; `words` say what was expected and what is."""

    situation: str
    payment_id: int
    words: str


def read_rows(shop: Shop) -> Rows:
    """The shop's rows as they are now."""
    payment, wallet = shop.tables.payment, shop.tables.wallet
    with reading(shop.engine) as connection:
        statuses = connection.execute(sa.select(payment.c.id, payment.c.status)).all()
        states = connection.execute(sa.select(wallet.c.id, wallet.c.state)).all()
        standing = findings.standing(connection)
    return Rows(
        {row.id: PaymentStatus(row.status) for row in statuses},
        {row.id: WalletState(row.state) for row in states},
        tuple(standing),
    )


def differences(shop: Shop, situations: Sequence[Situation], rows: Rows) -> list[Difference]:
    """Every payment that is not as expected, by its rows or by what the chain shows of its wallet."""
    expected = {situation.name: situation for situation in situations}
    codes: dict[int | None, set[str]] = {}
    for one in rows.findings:
        codes.setdefault(one.finding.wallet_id, set()).add(one.finding.code.value)
    found = []
    for case in shop.cases:
        situation = expected[case.situation]
        wanted = _words(situation.status, situation.state, {code.value for code in situation.codes})
        status = rows.statuses.get(case.payment_id)
        actual = _words(status, rows.states[case.wallet_id], codes.get(case.wallet_id, set()))
        words = f"expected {wanted}; is {actual}" if actual != wanted else None
        words = words or _chain_words(shop, case, situation, rows.states[case.wallet_id])
        if words is not None:
            found.append(Difference(case.situation, case.payment_id, words))
    return found


def _chain_words(shop: Shop, case: Case, situation: Situation, state: WalletState) -> str | None:
    """What the chain shows that the wallet's state denies; None where the two agree."""
    if state in (WalletState.SENT_FUNDS, WalletState.CLOSED) and not situation.is_left_alone:
        found = [name for name, amount in _balances(shop, case).items() if amount]
        if found:
            return f"is {state.value}, and its wallet holds {', '.join(found)}"
        if _open_accounts(shop, case):
            return f"is {state.value}, and its token accounts are open"
    if state is WalletState.CREATED and _open_accounts(shop, case) != len(_mints(shop, case)):
        return "is still to be paid, and has lost a token account"
    return None


def _balances(shop: Shop, case: Case) -> dict[str, int]:
    return {"SOL": shop.seed.lamports(case.address)} | {
        symbol: shop.seed.token_balance(shop.account(case.address, symbol))
        for symbol in (*_mints(shop, case), "SPAM")
    }


def _open_accounts(shop: Shop, case: Case) -> int:
    return sum(shop.seed.lamports(shop.account(case.address, symbol)) > 0 for symbol in _mints(shop, case))


def _mints(shop: Shop, case: Case) -> list[str]:
    return [symbol for symbol in case.prices if shop.tokens[symbol].mint is not None]


def _words(status: PaymentStatus | None, state: WalletState, codes: set[str]) -> str:
    told = ", ".join(sorted(codes)) or "nothing"
    return f"{'no payment' if status is None else status.value} / {state.value} / {told} told"
