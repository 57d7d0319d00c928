"""The statement of a wallet balances to the unit, or names its gap: whatever anybody did with its accounts."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.evidence.effects import Change, Effect, in_order
from solpay_pipeline.lifecycle.evidence.statement import EntryClass, Homes, Statement, statement_of

WALLET, RECEIVER, PAYER, THIEF, CUSTOMER = (Pubkey.from_bytes(bytes([n]) * 32) for n in range(1, 6))
MINT, NATIVE = (Pubkey.from_bytes(bytes([n]) * 32) for n in (11, 12))
TOKENS, WRAPPED, HOME_TOKENS, THIEF_TOKENS, CUSTOMER_TOKENS = (
    Pubkey.from_bytes(bytes([n]) * 32) for n in range(21, 26)
)
HOLDERS = {
    TOKENS: WALLET,
    WRAPPED: WALLET,
    HOME_TOKENS: RECEIVER,
    THIEF_TOKENS: THIEF,
    CUSTOMER_TOKENS: CUSTOMER,
}
RENT = 2_039_280
FEE = 5_000
START = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass
class World:
    """Balances, moved by hand; `truth` is reckoned by what was meant, not by what balances show."""

    lamports: Counter[Pubkey] = field(default_factory=Counter)
    tokens: Counter[Pubkey] = field(default_factory=Counter)
    open: set[Pubkey] = field(default_factory=set)
    truth: Counter[tuple[EntryClass, Pubkey | None]] = field(default_factory=Counter)
    effects: list[Effect] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lamports.update({WALLET: 0, PAYER: 10**12, CUSTOMER: 10**15, THIEF: 10**12, RECEIVER: 10**9})
        self.open |= {HOME_TOKENS, THIEF_TOKENS, CUSTOMER_TOKENS}
        for account in self.open:
            self.lamports[account] = RENT
        self.tokens[CUSTOMER_TOKENS] = 10**15

    def mint_of(self, account: Pubkey) -> Pubkey | None:
        return None if account not in self.open else NATIVE if account == WRAPPED else MINT

    def shot(self) -> dict[Pubkey, tuple[int, int, Pubkey | None]]:
        named = {*self.lamports, *HOLDERS}
        return {one: (self.lamports[one], self.tokens[one], self.mint_of(one)) for one in named}

    def land(self, before: dict[Pubkey, tuple[int, int, Pubkey | None]], fee_payer: Pubkey = PAYER) -> None:
        self.lamports[fee_payer] -= FEE
        if fee_payer == WALLET:
            self.truth[EntryClass.FEE, None] += FEE
        changes = []
        for address, (lamports, tokens, mint) in self.shot().items():
            old_lamports, old_tokens, old_mint = before[address]
            if (lamports, tokens, mint) == (old_lamports, old_tokens, old_mint):
                continue
            held = mint or old_mint
            changes.append(
                Change(
                    address=address,
                    holder=HOLDERS.get(address, address) if held else address,
                    lamports_before=old_lamports,
                    lamports_after=lamports,
                    mint=held,
                    tokens_before=old_tokens,
                    tokens_after=tokens,
                    opened=old_mint is None and mint is not None,
                    closed=old_mint is not None and mint is None,
                )
            )
        number = len(self.effects)
        self.effects.append(
            Effect(f"s{number}", number, START + timedelta(seconds=number), FEE, fee_payer, tuple(changes))
        )

    # What people do. Each is one transaction.

    def open_account(self, account: Pubkey) -> None:
        if account in self.open:
            return
        before = self.shot()
        missing = max(0, RENT - self.lamports[account])
        bare = self.lamports[account]
        self.lamports[PAYER] -= missing
        self.lamports[account] += missing
        self.open.add(account)
        if account == WRAPPED and bare > 0:
            # InitializeAccount counts what is beyond the minimum as tokens.
            self.tokens[account] = max(0, bare - RENT)
            self.truth[EntryClass.WRAPPED, NATIVE] += bare
            self.truth[EntryClass.WRAPPED, None] -= bare
        self.land(before)

    def pay_tokens(self, amount: int) -> None:
        if TOKENS not in self.open:
            return
        before = self.shot()
        self.tokens[CUSTOMER_TOKENS] -= amount
        self.tokens[TOKENS] += amount
        self.truth[EntryClass.CAME_IN, MINT] += amount
        self.land(before, CUSTOMER)

    def pay_lamports(self, to: Pubkey, amount: int) -> None:
        before = self.shot()
        self.lamports[CUSTOMER] -= amount
        self.lamports[to] += amount
        asset = NATIVE if to == WRAPPED and to in self.open else None
        self.truth[EntryClass.CAME_IN, asset] += amount
        self.land(before, CUSTOMER)

    def move_tokens(self, home: int, stolen: int, withheld: int, fee_payer: Pubkey) -> None:
        total = home + stolen + withheld
        if TOKENS not in self.open or total > self.tokens[TOKENS]:
            return
        before = self.shot()
        self.tokens[TOKENS] -= total
        self.tokens[HOME_TOKENS] += home
        self.tokens[THIEF_TOKENS] += stolen
        self.truth[EntryClass.WENT_HOME, MINT] += home
        self.truth[EntryClass.ELSEWHERE, MINT] += stolen
        self.truth[EntryClass.WITHHELD, MINT] += withheld
        self.land(before, fee_payer)

    def move_lamports(self, home: int, stolen: int, by_wallet: bool) -> None:
        fee = FEE if by_wallet else 0
        if home + stolen + fee > self.lamports[WALLET]:
            return
        before = self.shot()
        self.lamports[WALLET] -= home + stolen
        self.lamports[RECEIVER] += home
        self.lamports[THIEF] += stolen
        self.truth[EntryClass.WENT_HOME, None] += home
        self.truth[EntryClass.ELSEWHERE, None] += stolen
        self.land(before, WALLET if by_wallet else PAYER)

    def close_account(self, account: Pubkey, opened_with: int) -> None:
        """Into the wallet, then funds to the receiver and rent to the fee payer, in one transaction."""
        if account not in self.open or (account == TOKENS and self.tokens[account]):
            return
        before = self.shot()
        funds = self.lamports[account] - opened_with
        self.lamports[PAYER] += opened_with
        self.lamports[RECEIVER] += funds
        self.lamports[account] = self.tokens[account] = 0
        self.open.discard(account)
        self.truth[EntryClass.WENT_HOME, NATIVE if account == WRAPPED else None] += funds
        self.land(before)

    def wrap(self, amount: int) -> None:
        if WRAPPED not in self.open or amount > self.lamports[WALLET]:
            return
        before = self.shot()
        self.lamports[WALLET] -= amount
        self.lamports[WRAPPED] += amount
        self.tokens[WRAPPED] += amount
        self.truth[EntryClass.WRAPPED, NATIVE] += amount
        self.truth[EntryClass.WRAPPED, None] -= amount
        self.land(before)

    def statement(self) -> Statement:
        return statement_of(
            WALLET,
            in_order(self.effects),
            accounts={TOKENS, WRAPPED},
            homes=Homes({RECEIVER: None}, {PAYER}),
            native_mints=frozenset({NATIVE}),
        )

    def balances(self, rents: dict[Pubkey, int]) -> dict[Pubkey | None, int]:
        wrapped = self.lamports[WRAPPED] - rents.get(WRAPPED, 0)
        is_wrapped = WRAPPED in self.open
        plain = self.lamports[WALLET] + self.lamports[TOKENS] - rents.get(TOKENS, 0)
        return {
            None: plain + (0 if is_wrapped else wrapped),
            NATIVE: wrapped if is_wrapped else 0,
            MINT: self.tokens[TOKENS],
        }


amounts = st.integers(1, 10**9)
steps = st.one_of(
    st.tuples(st.just("open_account"), st.sampled_from([TOKENS, WRAPPED])),
    st.tuples(st.just("pay_tokens"), amounts),
    st.tuples(st.just("pay_lamports"), st.sampled_from([WALLET, TOKENS, WRAPPED]), amounts),
    st.tuples(
        st.just("move_tokens"),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
        st.integers(0, 10**3),
        st.sampled_from([PAYER, THIEF]),
    ),
    st.tuples(st.just("move_lamports"), st.integers(0, 10**6), st.integers(0, 10**6), st.booleans()),
    st.tuples(st.just("close"), st.sampled_from([TOKENS, WRAPPED])),
    st.tuples(st.just("wrap"), amounts),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, max_size=25))
def test_any_history_balances_to_the_unit_class_by_class(history: list[tuple[object, ...]]) -> None:
    world = World()
    for name, *how in history:
        if name == "close":
            account = how[0]
            world.close_account(account, world.statement().rents.get(account, 0))
        else:
            getattr(world, str(name))(*how)
    statement = world.statement()
    assert statement.gaps(world.balances(dict(statement.rents))) == {}
    found = {
        (kind, asset): statement.total(kind, asset)
        for kind in EntryClass
        if kind not in (EntryClass.RENT_OPENED, EntryClass.RENT_RETURNED)
        for asset in (None, NATIVE, MINT)
    }
    assert {key: amount for key, amount in found.items() if amount} == {
        key: amount for key, amount in world.truth.items() if amount
    }


@settings(max_examples=100, deadline=None)
@given(st.lists(steps, max_size=25), st.data())
def test_a_transaction_that_is_missing_shows_as_a_gap_of_its_amount(
    history: list[tuple[object, ...]], data: st.DataObject
) -> None:
    world = World()
    world.open_account(TOKENS)
    world.pay_tokens(7)
    world.pay_lamports(WALLET, 3)
    for name, *how in history:
        if name not in ("close", "open_account"):
            getattr(world, str(name))(*how)
    whole = world.statement()
    lost = data.draw(st.sampled_from(world.effects[1:]))
    world.effects.remove(lost)
    gaps = world.statement().gaps(world.balances(dict(whole.rents)))
    changed = {
        asset: amount
        for asset in whole.assets()
        if (
            amount := sum(
                e.amount for e in whole.entries if (e.signature, e.asset) == (lost.signature, asset)
            )
        )
    }
    assert gaps == changed


def test_one_unit_to_the_receiver_does_not_explain_the_rest() -> None:
    world = World()
    world.open_account(TOKENS)
    world.pay_tokens(5_000_000)
    world.move_tokens(home=1, stolen=4_999_999, withheld=0, fee_payer=THIEF)
    statement = world.statement()
    assert statement.total(EntryClass.WENT_HOME, MINT) == 1
    assert statement.total(EntryClass.ELSEWHERE, MINT) == 4_999_999
    (stolen,) = [one for one in statement.entries if one.entry_class is EntryClass.ELSEWHERE]
    assert (stolen.towards, stolen.account, stolen.signature) == (THIEF, TOKENS, "s2")


def test_rent_of_others_that_comes_back_in_the_same_transaction_is_no_theft() -> None:
    neighbour, account = Pubkey.from_bytes(bytes([6]) * 32), Pubkey.from_bytes(bytes([26]) * 32)
    paid, swept = Pubkey.from_bytes(bytes([7]) * 32), 5_000_000
    in_ = Effect("in", 1, START, FEE, paid, (Change(WALLET, WALLET, 0, swept),))
    out = Effect(
        "out",
        2,
        START,
        FEE,
        PAYER,
        (
            Change(WALLET, WALLET, swept, 0),
            Change(RECEIVER, RECEIVER, 10**9, 10**9 + swept),
            Change(account, neighbour, RENT, 0, MINT, closed=True),
            Change(PAYER, PAYER, 10**9, 10**9 + RENT - FEE),
        ),
    )
    found = statement_of(
        WALLET, [in_, out], accounts=set(), homes=Homes({RECEIVER: None}, {PAYER}), native_mints={NATIVE}
    )
    assert found.total(EntryClass.WENT_HOME, None) == swept
    assert found.total(EntryClass.ELSEWHERE, None) == 0


def test_rent_is_what_an_account_was_opened_with_and_not_what_was_sent_to_it_later() -> None:
    world = World()
    world.open_account(TOKENS)
    world.pay_lamports(TOKENS, 100_000_000)
    statement = world.statement()
    assert statement.rents == {TOKENS: RENT}
    assert statement.total(EntryClass.CAME_IN, None) == 100_000_000
    assert [one.account for one in statement.entries if one.entry_class is EntryClass.CAME_IN] == [TOKENS]


def test_lamports_that_waited_at_an_address_are_no_rent_when_the_account_is_opened() -> None:
    world = World()
    world.pay_lamports(TOKENS, 1_000)
    world.open_account(TOKENS)
    assert world.statement().rents == {TOKENS: RENT - 1_000}


def test_two_transactions_of_one_slot_stand_in_the_order_of_their_balances() -> None:
    world = World()
    world.open_account(TOKENS)
    world.pay_tokens(3)
    world.pay_tokens(4)
    same_slot = [Effect(e.signature, 9, e.block_time, e.fee, e.fee_payer, e.changes) for e in world.effects]
    assert [one.signature for one in in_order(reversed(same_slot))] == ["s0", "s1", "s2"]


NESTED = Pubkey.from_bytes(bytes([26]) * 32)


def nested_change(lamports: tuple[int, int], tokens: tuple[int, int], **kind: bool) -> Change:
    return Change(NESTED, TOKENS, *lamports, MINT, *tokens, **kind)


def test_what_is_paid_into_an_account_of_the_wallets_account_came_in_there_and_moves_on_within_the_wallet():
    paid = Effect("paid", 1, START, FEE, CUSTOMER, (nested_change((0, RENT), (0, 7), opened=True),))
    recovered = Effect(
        "recovered",
        2,
        START,
        FEE,
        PAYER,
        (
            nested_change((RENT, 0), (7, 0), closed=True),
            Change(TOKENS, WALLET, RENT, RENT, MINT, 0, 7),
            Change(PAYER, PAYER, 10 * RENT, 11 * RENT - FEE),
        ),
    )
    statement = statement_of(
        WALLET,
        [paid, recovered],
        accounts=frozenset({TOKENS}),
        homes=Homes({RECEIVER: None}, {PAYER}),
        native_mints=frozenset({NATIVE}),
    )
    assert [(one.account, one.entry_class, one.asset, one.amount) for one in statement.money] == [
        (NESTED, EntryClass.CAME_IN, MINT, 7)
    ]
    assert statement.gaps({MINT: 7}) == {}
    assert statement.owned[NESTED] == MINT
