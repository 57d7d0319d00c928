"""What the chain says of some wallets: holdings in batches, and, where it matters, a judgement by history."""

import asyncio
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import replace

from solders.pubkey import Pubkey

from solpay_pipeline.base.concurrently import all_of
from solpay_pipeline.chain.reading import history
from solpay_pipeline.chain.reading.addresses import TOKEN_PROGRAMS, associated_token_address
from solpay_pipeline.chain.reading.history import History
from solpay_pipeline.chain.rpc.errors import MethodMissing, ShortHistory, Unanswered
from solpay_pipeline.lifecycle.evidence.statement import EntryClass, Statement
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.holdings import Holdings, Mint, TokenHolding, UnreadableMint, mint_text
from solpay_pipeline.lifecycle.judgement import Judgement, covers, judge, remade_mints
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import Commitment, Payment, PaymentStatus, Wallet
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.looking.long_histories import LONG, paid_by_balance

# Histories are read side by side; the client's own limits still hold.
_CONCURRENT_HISTORIES = 16

# Transactions that name a wallet before anybody pays: that which opens its token accounts.
_SET_UP = 1


async def take_snapshots(
    context: OperationContext,
    wallets: Sequence[Wallet],
    *,
    commitment: Commitment,
    min_context_slot: int,
    is_rare: bool = False,
) -> list[Snapshot]:
    """Read the holdings of wallets that have a payment, in the order given.

    A look that `is_rare` asks too whether something lies at accounts of their accounts: once before a payment expires,
    and when its wallet is at rest.
    """
    owned = [(wallet, wallet.payment) for wallet in wallets if wallet.payment is not None]
    if not owned:
        return []
    named = [(payment.address, payment.mints) for _, payment in owned]
    all_holdings, mints = await context.chain.holdings_and_mints(
        named, context.mints, commitment=commitment, min_context_slot=min_context_slot
    )
    _remember_mints(context, mints)
    context.progress("read", len(owned))
    snapshots = [
        Snapshot(wallet, payment, holdings, mints, commitment)
        for (wallet, payment), holdings in zip(owned, all_holdings, strict=True)
    ]
    _remember_decimals(context, snapshots)
    nothing: list[frozenset[Pubkey]] = [frozenset()] * len(owned)
    nested = await context.chain.nested(named, mints, commitment=commitment) if is_rare else nothing
    remembered = context.records.openings([one.wallet.id for one in snapshots])
    looked = await all_of(
        _looked(context, one, remembered.get(one.wallet.id, {}), found)
        for one, found in zip(snapshots, nested, strict=True)
    )
    if unreadable := [one for one in looked if isinstance(one, Finding)]:
        context.books.note(unreadable)
    return [one for one in looked if isinstance(one, Snapshot)]


def _remember_mints(context: OperationContext, mints: Mapping[Pubkey, Mint | UnreadableMint]) -> None:
    for address, mint in mints.items():
        if isinstance(mint, Mint):
            context.mints[address] = mint
        else:
            context.mints.pop(address, None)


def _remember_decimals(context: OperationContext, snapshots: Sequence[Snapshot]) -> None:
    """Keep with each offer what decimals its mints have at the first look."""
    read = {address: mint.decimals for address, mint in context.mints.items()}
    unseen = [one.payment for one in snapshots if _lacks_decimals(one.payment, read)]
    if unseen:
        context.books.remember_decimals(unseen, read)


def _lacks_decimals(payment: Payment, read: Collection[Pubkey]) -> bool:
    options = [one for one in payment.options if one.mint is not None]
    return any(one.mint in read for one in options) and all(one.seen_decimals is None for one in options)


async def _looked(
    context: OperationContext,
    snapshot: Snapshot,
    remembered: Mapping[Pubkey, int],
    nested: Collection[Pubkey],
) -> Snapshot | Finding:
    """The snapshot with all that is looked for; a finding where no endpoint answers about this wallet."""
    try:
        if context.options.discover_accounts:
            snapshot = await _discovered(context, snapshot)
        return await _with_unusual(context, snapshot, remembered, nested)
    except (Unanswered, MethodMissing) as error:
        words = f"its accounts cannot be looked for: {error}; if it stays so, set SOLPAY_RPC_URLS to a node that can"
        return Finding.about(snapshot.wallet, FindingCode.HISTORY_UNREADABLE, words)


async def _discovered(context: OperationContext, snapshot: Snapshot) -> Snapshot:
    holdings = await context.chain.discover(snapshot.holdings, snapshot.mints, commitment=snapshot.commitment)
    return replace(snapshot, holdings=holdings)


async def _with_unusual(
    context: OperationContext,
    snapshot: Snapshot,
    remembered: Mapping[Pubkey, int],
    nested: Collection[Pubkey],
) -> Snapshot:
    """The snapshot with accounts that an earlier look has found or this one has, and with what all were opened with."""
    context.facts.rents.update({account: rent for account, rent in remembered.items() if rent})
    unusual = {*remembered, *nested} - _offered_accounts(snapshot)
    if unusual:
        seen = await _looked_at(context, snapshot, unusual, owned={})
        if any(one.outer_mint is None for one in seen.holdings.nested):
            seen = await _looked_at(context, snapshot, unusual, owned=await _owned(context, seen))
        _remember_family(context, seen, known=remembered.keys())
        snapshot = seen
    return await _with_rents(context, snapshot)


async def _looked_at(
    context: OperationContext,
    snapshot: Snapshot,
    addresses: Collection[Pubkey],
    *,
    owned: Mapping[Pubkey, Pubkey],
) -> Snapshot:
    """The snapshot with what is at these addresses; `owned` are accounts that were the wallet's, with their mints."""
    holdings = await context.chain.look_at(
        snapshot.holdings, addresses, snapshot.mints, commitment=snapshot.commitment, owned=owned
    )
    return replace(snapshot, holdings=holdings)


async def _owned(context: OperationContext, snapshot: Snapshot) -> Mapping[Pubkey, Pubkey]:
    """All accounts that were ever the wallet's: of one that is closed only its history tells of which mint it was."""
    try:
        return (await wallet_history(context, snapshot)).statement.owned
    except history.UNTOLD:
        return {}


def _remember_family(context: OperationContext, snapshot: Snapshot, *, known: Collection[Pubkey]) -> None:
    """Let later looks find what is nested, and the accounts through which it comes home."""
    family = {address for one in snapshot.holdings.nested for address in one.accounts}
    unknown = family - _offered_accounts(snapshot) - set(known)
    if unknown:
        rents = context.facts.rents
        context.books.remember_openings(snapshot.wallet.id, {one: rents.get(one, 0) for one in unknown})


async def _with_rents(context: OperationContext, snapshot: Snapshot) -> Snapshot:
    """The snapshot with what its token accounts were opened with, where their lamports do not tell that by themselves.

    Their openings are then read, once a run. Where no history tells, the account stays as it is: it is not closed.
    """
    unknown = [token for token in snapshot.holdings.accounts if token.funds is None]
    if not unknown:
        return snapshot
    known = context.facts.rents
    if any(token.account not in known for token in unknown):
        try:
            found = (await wallet_history(context, snapshot)).statement.rents
        except history.UNTOLD:
            return snapshot
        known |= found
        read = {token.account: found[token.account] for token in unknown if token.account in found}
        context.books.remember_openings(snapshot.wallet.id, read)
    holdings = snapshot.holdings
    tokens = tuple(_with_funds(token, known) for token in holdings.tokens)
    nested = tuple(replace(one, token=_with_funds(one.token, known)) for one in holdings.nested)
    return replace(snapshot, holdings=replace(holdings, tokens=tokens, nested=nested))


def _with_funds(token: TokenHolding, rents: Mapping[Pubkey, int]) -> TokenHolding:
    if token.funds is not None or token.account not in rents:
        return token
    return replace(token, funds=max(0, token.lamports - rents[token.account]))


async def judge_snapshots(
    context: OperationContext, snapshots: Sequence[Snapshot]
) -> list[tuple[Snapshot, Judgement | Finding]]:
    """Judge payments by the whole history of their wallets, at the commitment that acceptance asks for.

    A history that does not add up gives a finding. Wallets that were read at another commitment are read again, so
    that holdings and history are of the same chain. Those for which the run's time was too short are left out.
    """
    commitment = context.deployment.acceptance
    if any(one.commitment is not commitment for one in snapshots):
        wallets = [one.wallet for one in snapshots]
        snapshots = await take_snapshots(
            context, wallets, commitment=commitment, min_context_slot=context.chain_slot
        )
    gate = asyncio.Semaphore(_CONCURRENT_HISTORIES)

    async def one(snapshot: Snapshot) -> tuple[Snapshot, Judgement | Finding] | None:
        async with gate:
            return None if context.must_stop() else await _judge(context, snapshot)

    judged = await all_of(one(snapshot) for snapshot in snapshots)
    return [each for each in judged if each is not None]


async def wallet_history(context: OperationContext, snapshot: Snapshot) -> History:
    """The whole history of a wallet, its own address and every token account we know of.

    No node is asked that is behind the slot by whose time the run decides. Raises the errors of `history.UNTOLD`.
    """
    return await _read(context, snapshot, _token_accounts(snapshot))


def remember_open_accounts(context: OperationContext, snapshot: Snapshot, statement: Statement) -> bool:
    """Whether accounts of the wallet are open that this look has not seen; the next look sees them.

    Those that were remembered before and still are not seen have become somebody else's.
    """
    seen = {one.account for one in snapshot.holdings.accounts} | set(_token_accounts(snapshot))
    seen |= context.records.openings([snapshot.wallet.id]).get(snapshot.wallet.id, {}).keys()
    unseen = {account: rent for account, rent in statement.rents.items() if account not in seen}
    if unseen:
        context.books.remember_openings(snapshot.wallet.id, unseen)
    return bool(unseen)


async def _telling_history(context: OperationContext, snapshot: Snapshot) -> History:
    """As much of the history as tells all: of an empty wallet its own address is asked first.

    What came and left again, left by its signature, which names it, or was taken out of an account that others can
    empty; to let somebody else empty one takes its signature as well. A peer whose request was rolled back after it had
    sent the money on leaves nothing else to be seen.
    """
    if snapshot.holdings.is_empty:
        telling = [one.account for one in snapshot.holdings.tokens if one.mint.others_can_take]
        silent = frozenset(_token_accounts(snapshot)) - set(telling)
        its_own = await _read(context, snapshot, telling, without=silent)
        if not its_own.statement.money and its_own.transactions <= _SET_UP:
            return its_own
    return await wallet_history(context, snapshot)


async def _read(
    context: OperationContext,
    snapshot: Snapshot,
    token_accounts: Sequence[Pubkey],
    without: Set[Pubkey] = frozenset(),
    found: History | None = None,
) -> History:
    """A history that reaches back to the payment, if an endpoint has one; `found` is what was read of it before."""
    made_at = snapshot.payment.created_at
    before = context.facts.known_cut_after(made_at)
    while found is None or (before := await context.facts.cut_after(made_at, found.first_slot)) is not None:
        try:
            found = await _read_once(context, snapshot, token_accounts, without, before)
        except ShortHistory:
            return found or await _read_once(context, snapshot, token_accounts, without)
    return found


async def _read_once(
    context: OperationContext,
    snapshot: Snapshot,
    token_accounts: Sequence[Pubkey],
    without: Set[Pubkey],
    begins_before: int | None = None,
) -> History:
    """A history, of which what a long one did is remembered."""
    owner = snapshot.holdings.owner
    known = context.records.known_effects(owner)
    final = dict(known)
    try:
        return await context.chain.history(
            owner,
            token_accounts,
            commitment=context.deployment.acceptance,
            homes=context.homes,
            without=without,
            min_context_slot=context.chain_slot,
            begins_before=begins_before,
            final=final,
            must_stop=context.must_stop,
        )
    finally:
        if len(final) > history.NEWEST:
            context.books.remember_effects(owner, [final[each] for each in final.keys() - known.keys()])


async def _judge(
    context: OperationContext, snapshot: Snapshot
) -> tuple[Snapshot, Judgement | Finding] | None:
    """The judgement, and the snapshot with accounts that the history names and no offer did.

    None where the run's time was over before all was read.
    """
    try:
        found = await _evidence(context, snapshot)
        snapshot = await _with_owned(context, snapshot, found.statement)
        return snapshot, await _judged(context, snapshot, found)
    except history.HistoryUnfinished:
        return None
    except history.UNTOLD as error:
        return snapshot, _unreadable(snapshot, str(error))


async def _evidence(context: OperationContext, snapshot: Snapshot) -> History:
    """As much of the history as proves what the balances say; where little does not, all of it."""
    found = await _newest_history(context, snapshot)
    if found is None:
        return await _history_or_balance(context, snapshot)
    if found.statement.owned.keys() - set(_token_accounts(snapshot)):
        # An account that no offer names may hold what neither balances nor the wallet's own history tell.
        return await _telling_history(context, snapshot)
    if _judgement(context, snapshot, found).is_paid:
        return found
    if not found.statement.money:
        return await _read(context, snapshot, _token_accounts(snapshot), found=found)
    return await _telling_history(context, snapshot)


async def _history_or_balance(context: OperationContext, snapshot: Snapshot) -> History:
    """The whole history; where that is long and a balance pays by itself, only how it came about."""
    found = await paid_by_balance(context, snapshot, at_least=LONG)
    if found is not None and _judgement(context, snapshot, found).is_paid:
        return found
    try:
        return await _telling_history(context, snapshot)
    except history.HistoryTooLong:
        found = await paid_by_balance(context, snapshot)
        if found is None or not _judgement(context, snapshot, found).is_paid:
            raise
        return found


async def _with_owned(context: OperationContext, snapshot: Snapshot, statement: Statement) -> Snapshot:
    """The snapshot with every account of the wallet that is open or to which money came, at whatever address.

    They are remembered for sweeps.
    """
    known = {snapshot.holdings.owner, *_token_accounts(snapshot)}
    credited = {one.account for one in statement.money if one.entry_class is EntryClass.CAME_IN}
    unusual = (credited | statement.rents.keys()) - known
    if not unusual:
        return snapshot
    context.books.remember_openings(
        snapshot.wallet.id, {account: statement.rents.get(account, 0) for account in unusual}
    )
    seen = await _looked_at(context, snapshot, unusual, owned=statement.owned)
    _remember_family(context, seen, known=unusual)
    return await _with_rents(context, seen)


def _judgement(context: OperationContext, snapshot: Snapshot, found: History) -> Judgement:
    judgement = judge(snapshot.payment, found.statement.entries, snapshot.decimals, context.options.tolerance)
    return replace(judgement, evidence=found.evidence)


async def _judged(context: OperationContext, snapshot: Snapshot, found: History) -> Judgement | Finding:
    judgement = _judgement(context, snapshot, found)
    if judgement.is_paid:
        return judgement
    remade = _remade(snapshot, judgement)
    if remade is not None:
        return remade
    # A node that does not remember everything must not make a payment look unpaid.
    if found.first_slot is None:
        return _unreadable(snapshot, "no endpoint tells how far its history goes back")
    history_from = await context.facts.history_from(found.first_slot)
    if history_from is not None and history_from > snapshot.payment.created_at:
        return _unreadable(snapshot, f"the node's history begins at {history_from:%Y-%m-%d %H:%M:%S} UTC")
    unexplained = _unexplained(snapshot.holdings, found.statement)
    if unexplained:
        return _unreadable(
            snapshot, f"the node's history does not explain the balance of {', '.join(unexplained)}"
        )
    return judgement


def _remade(snapshot: Snapshot, judgement: Judgement) -> Finding | None:
    """Why nobody can say whether a payment was paid whose money is of a mint that was made anew since."""
    if snapshot.payment.status is not PaymentStatus.INITIATED:
        return None
    for mint, (then, now) in remade_mints(snapshot.payment, snapshot.decimals).items():
        amount = judgement.received.get(mint)
        if amount:
            words = (
                f"{amount} base units came in of mint {mint}, which has {now} decimals and had {then} when its price "
                "was first seen: decide by hand what they are worth, then accept or expire the payment in the shop"
            )
            finding = Finding.about(snapshot.wallet, FindingCode.MINT_CHANGED, words)
            return replace(finding, mint=mint, amount=amount)
    return None


async def _newest_history(context: OperationContext, snapshot: Snapshot) -> History | None:
    """What explains an empty wallet, or the one balance that covers a price; None where there is no such balance, or
    it takes the whole history to explain it.
    """
    holdings = snapshot.holdings
    if holdings.nested:
        return None
    if holdings.is_empty:
        return await _of_nothing(context, snapshot)
    assets: list[tuple[Pubkey, Pubkey | None, int]] = [
        (token.account, token.mint.address, token.amount) for token in holdings.tokens if token.amount
    ]
    if holdings.lamports:
        assets.append((holdings.owner, None, holdings.lamports))
    explains_itself = covers(
        snapshot.payment, holdings.balances(), snapshot.decimals, context.options.tolerance
    )
    if len(assets) != 1 or not explains_itself:
        return None
    return await _newest(context, snapshot, *assets[0])


async def _of_nothing(context: OperationContext, snapshot: Snapshot) -> History | None:
    """What explains that nothing is there, at every address whose history can tell that something was."""
    found = await _newest(context, snapshot, snapshot.holdings.owner, None, 0)
    if found is None or found.statement.money:
        return found
    if found.transactions > _SET_UP:
        return None
    for token in snapshot.holdings.tokens:
        if token.mint.others_can_take:
            found = await _newest(context, snapshot, token.account, token.mint.address, 0)
            if found is None or found.statement.money:
                return found
    return found


async def _newest(
    context: OperationContext, snapshot: Snapshot, address: Pubkey, mint: Pubkey | None, balance: int
) -> History | None:
    """The newest entries of one address, where they explain its balance."""
    return await context.chain.newest_history(
        snapshot.holdings.owner,
        address,
        mint=mint,
        balance=balance,
        made_at=snapshot.payment.created_at,
        was_opened=bool(snapshot.holdings.tokens) and not snapshot.holdings.absent,
        commitment=context.deployment.acceptance,
        homes=context.homes,
        min_context_slot=context.chain_slot,
    )


def _unexplained(holdings: Holdings, statement: Statement) -> list[str]:
    """Assets of which more is there than the statement explains.

    Less is no gap: money may come between the two reads.
    """
    gaps = statement.gaps(holdings.money())
    return [mint_text(mint) for mint, gap in gaps.items() if gap > 0]


def _token_accounts(snapshot: Snapshot) -> list[Pubkey]:
    """All that we know of."""
    holdings = snapshot.holdings
    seen = [token.account for token in holdings.accounts]
    return list(dict.fromkeys([*seen, *holdings.absent, *_offered_accounts(snapshot)]))


def _offered_accounts(snapshot: Snapshot) -> set[Pubkey]:
    """The ATAs of the mints that its offers name; of one that is unreadable now, under both programs."""
    found = set()
    for address in snapshot.payment.mints:
        mint = snapshot.mints.get(address)
        programs = (mint.program,) if isinstance(mint, Mint) else TOKEN_PROGRAMS
        found |= {associated_token_address(snapshot.holdings.owner, address, program) for program in programs}
    return found


def _unreadable(snapshot: Snapshot, why: str) -> Finding:
    words = f"cannot tell whether it was paid: {why}; if it stays so, set SOLPAY_RPC_URLS to a node with all history"
    return Finding.about(snapshot.wallet, FindingCode.HISTORY_UNREADABLE, words)
