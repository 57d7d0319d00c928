"""A context whose books, records, chain, journal, mover and client are kept in memory, and payments to put into it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from cryptography.fernet import Fernet
from solders.hash import Hash
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from sqlalchemy import Engine

from solpay_pipeline.chain.reading.addresses import TOKEN_PROGRAM_ID, associated_token_address
from solpay_pipeline.chain.reading.crossing import Crossing
from solpay_pipeline.chain.reading.destinations import Destination
from solpay_pipeline.chain.reading.history import History
from solpay_pipeline.chain.rpc.answers import RecentBlockhash, SignatureStatus, Simulation, StatusesAt
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.chain.rpc.errors import ShortHistory
from solpay_pipeline.chain.sending.broadcast import Receipt
from solpay_pipeline.events.bodies import PaymentAccepted
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.seen.followed import Followed
from solpay_pipeline.ledger.spending import LimitReached
from solpay_pipeline.ledger.summary import Summary
from solpay_pipeline.ledger.tables import FollowState, TransactionState
from solpay_pipeline.ledger.transactions import FailuresInARow, NewTransaction, OpenTransaction
from solpay_pipeline.lifecycle.actions import Leg, MoveLamports
from solpay_pipeline.lifecycle.evidence.effects import Effect
from solpay_pipeline.lifecycle.evidence.statement import Entry, EntryClass, Homes, Statement
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.holdings import Holdings, Mint, TokenHolding, UnreadableMint
from solpay_pipeline.lifecycle.judgement import Judgement
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import (
    Commitment,
    Payment,
    PaymentOption,
    PaymentStatus,
    Wallet,
    WalletState,
)
from solpay_pipeline.lifecycle.transitions import accepted_wallet, expired_wallet
from solpay_pipeline.operations.context.binding import Binding
from solpay_pipeline.operations.context.chain_facts import ChainFacts
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.operations.context.finality import Final, Returned, TakenBack
from solpay_pipeline.operations.context.journal import Recorded, Recording
from solpay_pipeline.operations.context.mover import LegJob, LegOutcome, LegResult, Opening
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.context.outcome import Tally
from solpay_pipeline.operations.context.records import Page, Wanted
from solpay_pipeline.operations.moving.execution import SendingMover
from solpay_pipeline.records.rows import UnreadableRow
from solpay_pipeline.records.tables import peer_tables
from solpay_pipeline.records.vault import Sealed, WalletVault
from solpay_pipeline.settings.secret import SecretKeypair

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
MADE = NOW - timedelta(hours=1)
EXPIRED, LIVE = NOW - timedelta(minutes=30), NOW + timedelta(minutes=30)
SOL = 10**9
PRICE = SOL // 10
RENT = 2_039_280
SIGNATURE_FEE = 5_000
SLOT = 1_000

USDC = Mint(Pubkey.new_unique(), TOKEN_PROGRAM_ID, 6)
BY_SOL = PaymentOption(1, None, Decimal("0.1"))
BY_USDC = PaymentOption(2, USDC.address, Decimal(5))
FULL = 5_000_000
"""The price in base units of USDC."""

KEYS: dict[Pubkey, Keypair] = {}


def wallet(
    number: int = 1,
    *,
    status: PaymentStatus = PaymentStatus.INITIATED,
    state: WalletState = WalletState.CREATED,
    expires: datetime = EXPIRED,
    options: tuple[PaymentOption, ...] = (BY_SOL,),
    **payment: Any,
) -> Wallet:
    """Wallet `number` with payment `number` + 100: their ids are never mixed up."""
    keypair = Keypair()
    KEYS[keypair.pubkey()] = keypair
    made = Payment(number + 100, keypair.pubkey(), status, MADE, expires, options, **payment)
    return Wallet(number, state, made)


def payment_of(one: Wallet) -> Payment:
    assert one.payment is not None
    return one.payment


def holds(one: Wallet, lamports: int = 0, **tokens: Any) -> Holdings:
    """The holdings of a wallet; `usdc` is base units in an open account, which `closed` takes away."""
    owner = payment_of(one).address
    account = associated_token_address(owner, USDC.address, USDC.program)
    held = (TokenHolding(account, USDC, tokens["usdc"], RENT),) if "usdc" in tokens else ()
    return Holdings(owner, SLOT, lamports, held, unreadable=tokens.get("unreadable", {}))


NOBODY = Pubkey.default()
"""Where an entry stands until its wallet is known."""


def came(amount: int, mint: Pubkey | None = None, *, at: datetime | None = EXPIRED, slot: int = 5) -> Entry:
    """Money that came in; in time, unless said otherwise."""
    return Entry(f"payment in slot {slot}", slot, at, NOBODY, mint, EntryClass.CAME_IN, amount)


def went_home(amount: int, to: Pubkey, mint: Pubkey | None = None) -> Entry:
    return Entry("the peer's sweep", 9, EXPIRED, NOBODY, mint, EntryClass.WENT_HOME, -amount, to)


def stolen(amount: int, by: Pubkey, mint: Pubkey | None = None) -> Entry:
    return Entry("somebody's transfer", 9, EXPIRED, NOBODY, mint, EntryClass.ELSEWHERE, -amount, by)


def snapshot(one: Wallet, holdings: Holdings | None = None) -> Snapshot:
    mints = {USDC.address: USDC}
    return Snapshot(one, payment_of(one), holdings or holds(one), mints, Commitment.CONFIRMED)


IN_FLIGHT = WalletState.PROCESSING_FUNDS


def accepted(number: int = 1) -> Wallet:
    """To be swept."""
    return wallet(number, status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)


@dataclass
class FakeBooks:
    """Keeps what was asked of it, by ids. Of the payments in `moved` the premises have moved: nothing is done.

    Rows of `records` that it changes are found changed from then on.
    """

    records: "FakeRecords | None" = field(default=None, compare=False)
    moved: set[int] = field(default_factory=set)
    accepted: list[int] = field(default_factory=list)
    expired: list[int] = field(default_factory=list)
    expired_and_closed: list[int] = field(default_factory=list)
    held: list[tuple[int, FindingCode]] = field(default_factory=list)
    swept: list[int] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    states: list[tuple[int, WalletState]] = field(default_factory=list)
    ended: list[tuple[int, frozenset[FindingCode]]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    looks: list[int] = field(default_factory=list)
    watched: list[int] = field(default_factory=list)
    openings: dict[tuple[int, Pubkey], int] = field(default_factory=dict)
    effects: set[tuple[Pubkey, str]] = field(default_factory=set)
    offers: set[int] = field(default_factory=set, compare=False)
    decimals: dict[int, dict[Pubkey, int]] = field(default_factory=dict, compare=False)
    reported: list[PaymentAccepted] = field(default_factory=list)
    has_begun: bool = False

    def accept(self, paid: Sequence[tuple[Snapshot, Judgement]]) -> list[Wallet]:
        kept = [one for one in paid if one[0].payment.id not in self.moved]
        self.accepted += [one[0].payment.id for one in kept]
        return self._written([accepted_wallet(*one, PaymentStatus.CONFIRMED) for one in kept])

    def expire(self, snapshots: Sequence[Snapshot]) -> list[Wallet]:
        kept = self._standing(snapshots)
        self.expired += [one.payment.id for one in kept]
        return self._written([expired_wallet(one) for one in kept])

    def expire_and_close(self, snapshots: Sequence[Snapshot]) -> None:
        self.expired_and_closed += [one.payment.id for one in self._standing(snapshots)]

    def hold(self, snapshot: Snapshot, label: FindingCode) -> None:
        self.held.append((snapshot.payment.id, label))

    def rest_swept(self, snapshots: Sequence[Snapshot]) -> None:
        self.swept += [one.wallet.id for one in self._standing(snapshots)]

    def rest_closed(self, snapshots: Sequence[Snapshot]) -> None:
        self.closed += [one.wallet.id for one in self._standing(snapshots)]

    def change_state(
        self, wallets: Sequence[Wallet], state: WalletState, *, ending: Collection[FindingCode] = ()
    ) -> list[Wallet]:
        kept = [one for one in wallets if payment_of(one).id not in self.moved]
        self.states += [(one.id, state) for one in kept]
        self.ended += [(one.id, frozenset(ending)) for one in kept if ending]
        return self._written([replace(one, state=state) for one in kept])

    def note(self, findings: Sequence[Finding]) -> None:
        self.findings += findings

    def remember_looks(self, payment_ids: Sequence[int]) -> None:
        self.looks += payment_ids

    def remember_offers(self, payments: Sequence[Payment]) -> None:
        self.offers |= {one.id for one in payments}

    def remember_decimals(self, payments: Sequence[Payment], decimals: Mapping[Pubkey, int]) -> None:
        self.decimals |= {one.id: dict(decimals) for one in payments}

    def remember_openings(self, wallet_id: int, lamports: Mapping[Pubkey, int]) -> None:
        self.openings |= {(wallet_id, account): amount for account, amount in lamports.items()}

    def remember_effects(self, address: Pubkey, effects: Sequence[Effect]) -> None:
        self.effects |= {(address, one.signature) for one in effects}

    def remember_watched(self, snapshots: Sequence[Snapshot], now: datetime, *, daily_for: timedelta) -> None:
        self.watched += [one.wallet.id for one in snapshots]

    def begin_acceptances(self) -> None:
        self.has_begun = True

    def report_acceptances(self, accepted: Sequence[tuple[Snapshot, PaymentAccepted]]) -> None:
        self.reported += [body for _, body in accepted]

    def summary(self) -> Summary:
        return Summary({}, {}, (), {}, 0, {}, 0, tuple(self.findings))

    @property
    def codes(self) -> list[tuple[int | None, FindingCode]]:
        """Findings by wallet."""
        return [(one.wallet_id, one.code) for one in self.findings]

    @property
    def is_untouched(self) -> bool:
        return self == FakeBooks(moved=self.moved)

    def _written(self, wallets: list[Wallet]) -> list[Wallet]:
        for one in wallets if self.records is not None else ():
            self.records.put(one)
        return wallets

    def _standing(self, snapshots: Sequence[Snapshot]) -> list[Snapshot]:
        return [one for one in snapshots if one.payment.id not in self.moved]


@dataclass
class FakeFinality:
    """Acceptances to follow, and what became of them, by their ids."""

    followed: list[Followed] = field(default_factory=list)
    home: dict[int, dict[Pubkey | None, int]] = field(default_factory=dict)
    asked_ids: list[int] = field(default_factory=list)
    final: dict[int, str | None] = field(default_factory=dict)
    returned: dict[int, str] = field(default_factory=dict)
    taken_back: dict[int, int] = field(default_factory=dict)
    forgotten: list[int] = field(default_factory=list)

    def page(self, *, after: int, limit: int, payment_ids: Collection[int] | None) -> list[Followed]:
        meant = [one for one in self.followed if payment_ids is None or one.paid.payment_id in payment_ids]
        return [one for one in meant if one.id > after][:limit]

    def asked(self, followed: Sequence[Followed]) -> None:
        self.asked_ids += [one.id for one in followed]

    def final_home(self, wallet_ids: Collection[int]) -> dict[int, dict[Pubkey | None, int]]:
        return {number: self.home[number] for number in wallet_ids if number in self.home}

    def finalize(self, final: Sequence[Final]) -> None:
        self.final |= {one.case.followed.id: one.signature for one in final}

    def go_on(self, returned: Sequence[Returned]) -> None:
        self.returned |= {one.case.followed.id: one.signature for one in returned}

    def revert(self, taken_back: Sequence[TakenBack]) -> None:
        self.taken_back |= {one.case.followed.id: one.missing for one in taken_back}

    def forget(self, followed: Sequence[Followed]) -> None:
        self.forgotten += [one.id for one in followed]


@dataclass
class FakeRecords:
    """Rows in the order of their ids, and what the ledger knows of them. `asked` counts the pages."""

    options: Options = field(default_factory=Options)
    rows: list[Wallet | UnreadableRow] = field(default_factory=list)
    busy_ids: set[int] = field(default_factory=set)
    home_ids: set[int] = field(default_factory=set)
    expired_payments: set[int] = field(default_factory=set)
    aside_ids: set[int] = field(default_factory=set)
    reported_payments: set[int] = field(default_factory=set)
    just_looked_at: set[int] = field(default_factory=set)
    began: datetime | None = None
    failures: dict[int, FailuresInARow] = field(default_factory=dict)
    came_in: dict[Pubkey, tuple[Pubkey | None, int]] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    unusual: dict[int, dict[Pubkey, int]] = field(default_factory=dict)
    known: dict[Pubkey, tuple[Effect, ...]] = field(default_factory=dict)
    not_final: dict[Pubkey, FollowState] = field(default_factory=dict)
    open: list[OpenTransaction] = field(default_factory=list)
    sealed: dict[int, Sealed] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def wallets(self, wanted: Wanted, *, after: int) -> Page:
        self.asked["wallets"] += 1
        found = [row for row in self.rows if _wallet_id(row) > after and self._is_wanted(row, wanted)]
        return found[: self.options.page_size]

    def due(self, now: datetime, *, after: int) -> Page:
        self.asked["due"] += 1
        return [
            one
            for one in self._meant()
            if payment_of(one).id > after
            and payment_of(one).status is PaymentStatus.INITIATED
            and payment_of(one).expires_at <= now
        ][: self.options.page_size]

    def open_to_money(self, *, after: int, expired_since: datetime) -> Page:
        self.asked["open_to_money"] += 1
        return [row for row in self.rows if _payment_id(row) > after][: self.options.page_size]

    def of_payments(self, payment_ids: Sequence[int]) -> Page:
        by_id = {payment_of(one).id: one for one in self._readable()}
        return [by_id.get(one) or UnreadableRow(None, one, "it is gone") for one in payment_ids]

    def without_payment(self, *, after: int) -> Page:
        return [
            row for row in self.rows if isinstance(row, Wallet) and row.payment is None and row.id > after
        ]

    def of_one_address(self, addresses: Collection[Pubkey]) -> Page:
        counted = Counter(payment_of(one).address for one in self._readable())
        return [
            one
            for one in self._readable()
            if counted[payment_of(one).address] > 1 and payment_of(one).address in addresses
        ]

    def openings(self, wallet_ids: Collection[int]) -> dict[int, dict[Pubkey, int]]:
        return {one: self.unusual[one] for one in wallet_ids if one in self.unusual}

    def known_effects(self, address: Pubkey) -> dict[str, Effect]:
        return {one.signature: one for one in self.known.get(address, ())}

    def to_watch(
        self, states: Collection[WalletState], now: datetime, run: RunRef, *, limit: int
    ) -> list[int]:
        at_rest = [one for one in self._meant() if one.state in states and one.id not in self.just_looked_at]
        ids = [payment_of(one).id for one in at_rest]
        return [one for one in ids if one not in self.reported_payments][:limit]

    def to_recheck(self, statuses: Collection[PaymentStatus]) -> list[int]:
        payments = [payment_of(one) for one in self._meant()]
        return [one.id for one in payments if one.status in statuses][: self.options.limit]

    def unreported_acceptances(self, *, after: int) -> list[int]:
        lasting = (PaymentStatus.CONFIRMED, PaymentStatus.FINALIZED)
        payments = [payment_of(one) for one in self._meant()]
        found = [one.id for one in payments if one.id > after and one.status in lasting]
        return [one for one in found if one not in self.reported_payments][: self.options.page_size]

    def followed(self, addresses: Collection[Pubkey]) -> dict[Pubkey, FollowState]:
        return {address: state for address, state in self.not_final.items() if address in addresses}

    def received(self, addresses: Collection[Pubkey]) -> dict[Pubkey, tuple[Pubkey | None, int]]:
        return {address: amount for address, amount in self.came_in.items() if address in addresses}

    def busy(self, wallet_ids: Collection[int]) -> set[int]:
        return self.busy_ids & set(wallet_ids)

    def failures_in_a_row(self, wallet_ids: Collection[int]) -> Mapping[int, FailuresInARow]:
        return {one: self.failures[one] for one in wallet_ids if one in self.failures}

    def moved_home(self, wallet_ids: Collection[int]) -> Mapping[int, Mapping[Pubkey | None, int]]:
        full: dict[Pubkey | None, int] = {None: 2**63, USDC.address: 2**63}
        return dict.fromkeys(self.home_ids & set(wallet_ids), full)

    def own_among(self, signatures: Collection[str]) -> set[str]:
        return self.own & set(signatures)

    def expired_by_us(self, payment_ids: Collection[int]) -> set[int]:
        return self.expired_payments & set(payment_ids)

    def began_at(self) -> datetime | None:
        return self.began

    def waiting(self, wallet_ids: Collection[int], now: datetime) -> set[int]:
        return set()

    def set_aside(self, wallet_ids: Collection[int]) -> set[int]:
        return self.aside_ids & set(wallet_ids)

    def sealed_keypairs(self, wallet_ids: Collection[int]) -> dict[int, Sealed]:
        return {one: self.sealed[one] for one in wallet_ids if one in self.sealed}

    def open_transactions(self) -> list[OpenTransaction]:
        return self.open

    def put(self, changed: Wallet) -> None:
        """In place of the row with its id."""
        self.rows = [changed if _wallet_id(row) == changed.id else row for row in self.rows]

    def _readable(self) -> list[Wallet]:
        return [row for row in self.rows if isinstance(row, Wallet) and row.payment is not None]

    def _meant(self) -> list[Wallet]:
        meant = self.options.payment_ids
        return [one for one in self._readable() if meant is None or payment_of(one).id in meant]

    def _is_wanted(self, row: Wallet | UnreadableRow, wanted: Wanted) -> bool:
        if isinstance(row, UnreadableRow) or row.payment is None:
            return isinstance(row, UnreadableRow) or row.state in wanted.states
        payment = row.payment
        return (
            (self.options.payment_ids is None or payment.id in self.options.payment_ids)
            and row.state in wanted.states
            and (wanted.payment_statuses is None or payment.status in wanted.payment_statuses)
        )


def _wallet_id(row: Wallet | UnreadableRow) -> int:
    return (row.wallet_id or 0) if isinstance(row, UnreadableRow) else row.id


def _payment_id(row: Wallet | UnreadableRow) -> int:
    return (row.payment_id or 0) if isinstance(row, UnreadableRow) else payment_of(row).id


@dataclass
class FakeChain:
    """Holdings, entries of statements and the receiver's accounts by address. A history may be an error, which is raised."""

    held: dict[Pubkey, Holdings] = field(default_factory=dict)
    entries: dict[Pubkey, tuple[Entry, ...] | Exception] = field(default_factory=dict)
    newest: dict[Pubkey, tuple[Entry, ...]] = field(default_factory=dict)
    effects: tuple[Effect, ...] = ()
    crossings: dict[Pubkey, Crossing] = field(default_factory=dict)
    strays: dict[Pubkey, Holdings] = field(default_factory=dict)
    receivers: dict[Pubkey, Destination] = field(default_factory=dict)
    first_slot: int = 0
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def show(self, one: Wallet, holdings: Holdings, *entries: Entry) -> Wallet:
        """A wallet with what it holds and what it has seen."""
        self.held[holdings.owner] = holdings
        self.entries[holdings.owner] = entries
        return one

    async def mints(
        self, addresses: Iterable[Pubkey], *, commitment: Commitment
    ) -> dict[Pubkey, Mint | UnreadableMint]:
        self.asked.append(("mints", commitment))
        return {one: USDC if one == USDC.address else UnreadableMint("there is none") for one in addresses}

    async def holdings(
        self,
        wallets: Sequence[tuple[Pubkey, Sequence[Pubkey]]],
        mints: Mapping[Pubkey, Mint | UnreadableMint],
        *,
        commitment: Commitment,
    ) -> list[Holdings]:
        self.asked.append(("holdings", commitment))
        return [self.held.get(owner, Holdings(owner, SLOT, 0)) for owner, _ in wallets]

    async def holdings_and_mints(
        self,
        wallets: Sequence[tuple[Pubkey, Sequence[Pubkey]]],
        known: Mapping[Pubkey, Mint],
        *,
        commitment: Commitment,
        min_context_slot: int,
    ) -> tuple[list[Holdings], dict[Pubkey, Mint | UnreadableMint]]:
        self.asked.append(("holdings_and_mints", (commitment, min_context_slot)))
        held = [self.held.get(owner, Holdings(owner, SLOT, 0)) for owner, _ in wallets]
        return held, {mint: USDC for _, mints in wallets for mint in mints if mint == USDC.address}

    async def discover(
        self, holdings: Holdings, mints: Mapping[Pubkey, Mint | UnreadableMint], *, commitment: Commitment
    ) -> Holdings:
        return self.strays.get(holdings.owner, holdings)

    async def nested(
        self,
        wallets: Sequence[tuple[Pubkey, Sequence[Pubkey]]],
        mints: Mapping[Pubkey, Mint | UnreadableMint],
        *,
        commitment: Commitment,
    ) -> list[frozenset[Pubkey]]:
        self.asked.append(("nested", commitment))
        return [frozenset() for _ in wallets]

    async def look_at(
        self,
        holdings: Holdings,
        addresses: Collection[Pubkey],
        mints: Mapping[Pubkey, Mint | UnreadableMint],
        *,
        commitment: Commitment,
        owned: Mapping[Pubkey, Pubkey],
    ) -> Holdings:
        self.asked.append(("look_at", frozenset(addresses)))
        return self.strays.get(holdings.owner, holdings)

    async def history(
        self,
        owner: Pubkey,
        token_accounts: Sequence[Pubkey],
        *,
        commitment: Commitment,
        homes: Homes,
        without: Set[Pubkey] = frozenset(),
        min_context_slot: int,
        begins_before: int | None = None,
        final: dict[str, Effect],
        must_stop: Callable[[], bool],
    ) -> History:
        self.asked.append(("history", tuple(token_accounts)))
        if begins_before is not None and begins_before <= self.first_slot:
            raise ShortHistory(0, "no endpoint goes back further", "getSignaturesForAddress")
        final |= {one.signature: one for one in self.effects}
        entries = self.entries.get(owner, ())
        if isinstance(entries, Exception):
            raise entries
        return self._history(owner, entries)

    async def newest_history(
        self,
        owner: Pubkey,
        address: Pubkey,
        *,
        mint: Pubkey | None,
        balance: int,
        made_at: datetime,
        was_opened: bool,
        commitment: Commitment,
        homes: Homes,
        min_context_slot: int,
    ) -> History | None:
        self.asked.append(("newest_history", address))
        return self._history(owner, self.newest[owner]) if owner in self.newest else None

    def _history(self, owner: Pubkey, entries: Sequence[Entry]) -> History:
        """All of it happened at the wallet's own address."""
        return History(
            Statement(owner, tuple(replace(one, account=owner) for one in entries)), self.first_slot
        )

    async def crossing(
        self,
        address: Pubkey,
        *,
        mint: Pubkey | None,
        amount: int,
        until: datetime,
        at_least: int,
        commitment: Commitment,
        min_context_slot: int,
    ) -> Crossing | None:
        self.asked.append(("crossing", (address, amount, at_least)))
        return self.crossings.get(address)

    async def destinations(
        self, receiver: Pubkey, mints: Iterable[Mint], *, commitment: Commitment
    ) -> dict[Pubkey, Destination]:
        wanted = list(mints)
        if not wanted:
            return {}
        self.asked.append(("destinations", [mint.address for mint in wanted]))
        exists = {
            one.address: Destination(
                associated_token_address(receiver, one.address, one.program), exists=True
            )
            for one in wanted
        }
        return exists | {one: self.receivers[one] for one in exists if one in self.receivers}


@dataclass
class FakeJournal:
    """Records everything, unless `results` say otherwise, one for each attempt. `room` is how many may be paid for."""

    results: list[Recording] = field(default_factory=list)
    room: int | None = None
    recorded: list[NewTransaction] = field(default_factory=list)
    attempts: list[tuple[list[int], WalletState]] = field(default_factory=list)
    closed: list[Receipt] = field(default_factory=list)
    held_ids: set[int] = field(default_factory=set)
    held: list[str] = field(default_factory=list)

    def affordable(self, costs: Sequence[int]) -> tuple[int, LimitReached | None]:
        if self.room is None or len(costs) <= self.room:
            return len(costs), None
        return self.room, LimitReached("max_spent_per_run", "it would be too much")

    def record(
        self, entries: Sequence[NewTransaction], wallets: Sequence[Wallet], state_in_flight: WalletState
    ) -> Recording:
        self.attempts.append(([one.id for one in wallets], state_in_flight))
        made = self.results.pop(0) if self.results else Recording(Recorded.RECORDED)
        if made.result is Recorded.RECORDED:
            self.recorded += entries
        return made

    def unfit(self, wallets: Sequence[Wallet]) -> set[int]:
        return {one.id for one in wallets if one.id in self.held_ids}

    def close(self, receipts: Sequence[Receipt]) -> None:
        self.closed += receipts

    def hold_again(self, signatures: Sequence[str]) -> None:
        self.held += signatures


@dataclass
class FakeMover:
    """Lands every leg and empties the wallet on the chain, unless `outcomes` say otherwise, by wallet, one a round."""

    chain: FakeChain
    outcomes: dict[int, list[LegOutcome]] = field(default_factory=dict)
    rounds: list[tuple[list[int], set[int]]] = field(default_factory=list)
    moved: list[LegJob] = field(default_factory=list)
    opened: list[Opening] = field(default_factory=list)
    unopened: dict[Pubkey, str] = field(default_factory=dict)
    is_lied_to: bool = False
    """A node says that everything has landed, and nothing has."""

    async def move(self, jobs: Sequence[LegJob], *, alone: Collection[int]) -> list[LegResult]:
        self.rounds.append(([job.wallet.id for job in jobs], set(alone)))
        self.moved += jobs
        return [self._result(job) for job in jobs]

    async def open_accounts(self, openings: Sequence[Opening]) -> dict[Pubkey, str]:
        self.opened += openings
        return self.unopened

    def _result(self, job: LegJob) -> LegResult:
        wanted = self.outcomes.get(job.wallet.id)
        outcome = wanted.pop(0) if wanted else LegOutcome.LANDED
        finding = None
        if outcome is LegOutcome.LANDED and not self.is_lied_to:
            self.chain.held[job.leg.owner] = Holdings(job.leg.owner, SLOT, 0)
        elif outcome in (LegOutcome.SPOILED, LegOutcome.SET_ASIDE, LegOutcome.WAITS):
            code = FindingCode.TRANSACTION_FAILED
            finding = Finding(code, job.wallet.id, payment_of(job.wallet).id, outcome.value)
        return LegResult(job.wallet, outcome, SLOT + 1, finding)


@dataclass
class ScriptedRpc:
    """Answers of a node; `landed` are statuses by signature, of all others nothing is known but what was sent."""

    floor: int = 890_880
    fee: int = SIGNATURE_FEE
    seconds_apart: float = 0.0
    landed: dict[str, SignatureStatus] = field(default_factory=dict)
    sent: list[bytes] = field(default_factory=list)
    blockhashes: int = 0
    stuck: bool = False
    is_mainnet: bool = False
    first_block: int = 1
    priority_fees: tuple[int, ...] = ()
    block_times: dict[int, datetime] = field(default_factory=dict)
    lands: bool = True
    final_slot: int = SLOT
    others: list["ScriptedRpc"] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)

    def witnesses(self) -> tuple["ScriptedRpc", ...]:
        return (self, *self.others)

    async def slot(self, commitment: Commitment) -> int:
        self.calls["slot"] += 1
        return self.final_slot

    async def latest_blockhash(self, commitment: Commitment) -> RecentBlockhash:
        self.calls["latest_blockhash"] += 1
        self.blockhashes += 0 if self.stuck and self.blockhashes else 1
        number = self.blockhashes.to_bytes(32, "big")
        return RecentBlockhash(Hash(number), last_valid_block_height=SLOT + 150, slot=SLOT, block_height=SLOT)

    async def is_healthy(self) -> bool:
        return True

    async def first_available_block(self) -> int:
        return self.first_block

    async def block_height(self, commitment: Commitment) -> int:
        self.calls["block_height"] += 1
        return SLOT

    async def signature_fee(self, message: object, commitment: Commitment) -> int:
        self.calls["signature_fee"] += 1
        return self.fee

    async def minimum_balance(self, size: int) -> int:
        self.calls["minimum_balance"] += 1
        return self.floor if size == 0 else RENT

    async def recent_priority_fees(self, accounts: Sequence[Pubkey]) -> tuple[int, ...]:
        self.calls["recent_priority_fees"] += 1
        return self.priority_fees

    async def block_time(self, slot: int) -> datetime | None:
        self.calls["block_time"] += 1
        return self.block_times.get(slot)

    async def simulate(self, wire: bytes, *, commitment: Commitment, replace_blockhash: bool) -> Simulation:
        self.calls["simulate"] += 1
        return Simulation(err=None, raw_err=None, logs=(), units=1_000)

    async def send(self, wire: bytes, *, preflight_commitment: Commitment) -> str:
        self.calls["send"] += 1
        self.sent.append(wire)
        return ""

    async def statuses(self, signatures: Sequence[str], *, search_history: bool = False) -> StatusesAt:
        self.calls["statuses"] += 1
        seen = SignatureStatus(slot=SLOT + 2, confirmation=Commitment.CONFIRMED, err=None)
        by_default = seen if self.lands and self.sent else None
        return StatusesAt(SLOT + 2, tuple(self.landed.get(one, by_default) for one in signatures))


@dataclass
class Clock:
    """Time that passes by sleeping alone."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


@dataclass
class Scene:
    """Everything that a context consists of, to be looked into."""

    context: OperationContext
    books: FakeBooks
    records: FakeRecords
    chain: FakeChain
    journal: FakeJournal
    finality: FakeFinality
    mover: FakeMover
    rpc: ScriptedRpc
    clock: Clock
    deployment: Deployment

    @property
    def tally(self) -> Tally:
        return self.context.tally

    def add(self, one: Wallet, holdings: Holdings | None = None, *entries: Entry) -> Wallet:
        """A row, with what the chain shows of it."""
        self.records.rows.append(one)
        return self.chain.show(one, holdings or holds(one), *entries)

    def seal(self, *wallets: Wallet) -> None:
        """Their keys in the records."""
        for one in wallets:
            sealed = self.deployment.vault.seal(KEYS[payment_of(one).address])
            self.records.sealed[one.id] = Sealed(one.id, sealed)


def open_transaction(signature: str = "signature", **changes: Any) -> OpenTransaction:
    """In flight, unless its `state` says otherwise."""
    usual: dict[str, Any] = {
        "id": 1,
        "signature": signature,
        "wire": b"",
        "last_valid_block_height": SLOT + 150,
        "blockhash_slot": SLOT,
        "state": TransactionState.RECORDED,
    }
    return OpenTransaction(**(usual | changes))


def deployment(**changes: Any) -> Deployment:
    """Without a database, unless one is given."""
    usual: dict[str, Any] = {
        "engine": cast(Engine, None),
        "tables": peer_tables(),
        "vault": WalletVault([Fernet.generate_key().decode()], encrypted=True),
        "fee_payer": SecretKeypair(Keypair()),
        "receiver": Keypair().pubkey(),
        "cluster": "localnet",
        "open_rpc": lambda _: cast(Rpc, None),
        "clock": lambda: NOW,
    }
    return Deployment(**(usual | changes))


def scene(
    *, options: Options | None = None, operation: str = "sweep", obstacle: str | None = None, **changes: Any
) -> Scene:
    """An operation under way; `changes` are those of the deployment, `obstacle` is why no money may be sent home."""
    made = deployment(**changes)
    records, chain, journal = FakeRecords(options or Options()), FakeChain(), FakeJournal()
    finality = FakeFinality()
    books = FakeBooks(records)
    mover, rpc, clock = FakeMover(chain), ScriptedRpc(), Clock()
    client = cast(Rpc, rpc)
    context = OperationContext(
        deployment=made,
        options=options or Options(),
        run=RunRef("run", operation),
        rpc=client,
        facts=ChainFacts(client, made, fee_payer_lamports=SOL, clock=clock),
        chain=chain,
        records=records,
        books=books,
        journal=journal,
        finality=finality,
        new_mover=lambda *_: mover,
        chain_slot=SLOT,
        chain_time=NOW,
        receiver_exists=True,
        binding=Binding({made.receiver: None}, obstacle),
        progress=lambda *_: None,
        tally=Tally(),
        clock=clock,
        sleep=clock.sleep,
        started=0.0,
    )
    return Scene(context, books, records, chain, journal, finality, mover, rpc, clock, made)


def job(made: Scene, one: Wallet, lamports: int = PRICE) -> LegJob:
    """All lamports go home; the key is in the records."""
    made.seal(one)
    action = MoveLamports(lamports, made.deployment.receiver)
    return LegJob(one, Leg(one.id, payment_of(one).address, ((action,),)))


def moved(made: Scene, *jobs: LegJob, alone: Collection[int] = ()) -> list[LegResult]:
    """What a mover makes of these jobs."""
    return asyncio.run(SendingMover(made.context, "sweep", IN_FLIGHT).move(jobs, alone=alone))


def outcomes(results: Iterable[LegResult]) -> list[tuple[int, LegOutcome]]:
    """By wallet."""
    return sorted((one.wallet.id, one.outcome) for one in results)
