"""Does every payment of the demo stand where its situation says it must?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from solders.pubkey import Pubkey

from solpay_pipeline.base.database import reading
from solpay_pipeline.demo.shop import Shop
from solpay_pipeline.demo.situations import End, Situation
from solpay_pipeline.ledger import findings
from solpay_pipeline.ledger.findings import StandingFinding
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.testing.shop import Customer


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
    codes: dict[int | None, set[FindingCode]] = {}
    for one in rows.findings:
        codes.setdefault(one.finding.wallet_id, set()).add(one.finding.code)
    found = []
    for case in shop.cases:
        situation = expected[case.name]
        status, state = rows.statuses.get(case.payment_id), rows.states[case.wallet_id]
        end = End(status, state, frozenset(codes.get(case.wallet_id, ())))
        words = f"expected {_words(situation.end)}; is {_words(end)}" if end != situation.end else None
        words = words or _chain_words(shop, case, situation, state)
        if words is not None:
            found.append(Difference(case.name, case.payment_id, words))
    return found


def _chain_words(shop: Shop, case: Customer, situation: Situation, state: WalletState) -> str | None:
    """What the chain shows that the wallet's state denies; None where the two agree."""
    if state in (WalletState.SENT_FUNDS, WalletState.CLOSED):
        found = [name for name, amount in _balances(shop, case).items() if amount]
        if FindingCode.UNASKED in situation.end.codes:
            found = [name for name in found if name != "SPAM"]
        if found:
            return f"is {state.value}, and its wallet holds {', '.join(found)}"
        if _open_accounts(shop, case):
            return f"is {state.value}, and its token accounts are open"
    if state is WalletState.CREATED and _open_accounts(shop, case) != len(_mints(case)):
        return "is still to be paid, and has lost a token account"
    return None


def _balances(shop: Shop, case: Customer) -> dict[str, int]:
    return {"SOL": shop.seed.lamports(case.address)} | {
        shop.tokens[mint].symbol: shop.seed.token_balance(shop.seed.ata(case.address, mint))
        for mint in (*_mints(case), shop.mint("SPAM"))
    }


def _open_accounts(shop: Shop, case: Customer) -> int:
    return sum(shop.seed.lamports(shop.seed.ata(case.address, mint)) > 0 for mint in _mints(case))


def _mints(case: Customer) -> list[Pubkey]:
    return [mint for mint in case.prices if mint is not None]


def _words(end: End) -> str:
    told = ", ".join(sorted(end.codes)) or "nothing"
    return f"{'no payment' if end.status is None else end.status.value} / {end.state.value} / {told} told"
