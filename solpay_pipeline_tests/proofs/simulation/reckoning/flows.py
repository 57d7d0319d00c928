"""What one transaction did to each wallet's money, from its balances before and after alone."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.history import TokenBalance, TransactionRecord
from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT
from solpay_pipeline_tests.proofs.simulation.reckoning.family import OpenAccount, Touched, touched_by

Asset = Pubkey | None
"""A mint, or None for SOL. Wrapped SOL is SOL here: whoever wraps it has not lost it."""


@dataclass(slots=True)
class Flow:
    """One transaction. Amounts are base units by asset; `gained` is by wallet, negative where it lost.

    `home` is what the receiver gained, `others` what everybody else gained of what wallets could have lost; rents are
    lamports that accounts of wallets were opened with and gave back.
    """

    signature: str
    slot: int
    fee_payer: Pubkey
    fee: int
    gained: dict[Pubkey, Counter[Asset]] = field(default_factory=dict)
    home: Counter[Asset] = field(default_factory=Counter)
    others: Counter[Asset] = field(default_factory=Counter)
    to_fee_payer: int = 0
    rent_opened: int = 0
    rent_returned: int = 0
    opened_elsewhere: int = 0
    """Lamports that accounts of others were opened with."""


class FlowReader:
    """Reads a chain's record from its beginning, and knows what each account of a wallet was opened with."""

    def __init__(
        self, wallets: Set[Pubkey], bare: Mapping[Pubkey, Pubkey], receiver: Pubkey, payer: Pubkey
    ) -> None:
        self.wallets = wallets
        self.bare = bare
        self.receiver = receiver
        self.payer = payer
        self.open: dict[Pubkey, OpenAccount] = {}

    def read(self, record: TransactionRecord) -> Flow:
        """The next transaction, a failed one too: its fee may have been a wallet's."""
        flow = Flow(record.signature, record.slot, record.decoded.fee_payer, record.executed.fee)
        gained: defaultdict[Pubkey, Counter[Asset]] = defaultdict(Counter)
        for one in touched_by(record):
            was = self._money(one.address, one.lamports_before, one.tokens_before)
            self._follow(one, flow)
            is_now = self._money(one.address, one.lamports_after, one.tokens_after)
            for sign, (wallet, money) in ((-1, was), (1, is_now)):
                if wallet is not None:
                    for asset, units in money.items():
                        gained[wallet][asset] += sign * units
            if was[0] is None and is_now[0] is None:
                self._of_others(one, flow)
        flow.gained = {wallet: money for wallet, money in gained.items() if any(money.values())}
        return flow

    def _money(
        self, address: Pubkey, lamports: int, tokens: TokenBalance | None
    ) -> tuple[Pubkey | None, Mapping[Asset, int]]:
        """Whose wallet's money lies at an address, and how much beyond its rent."""
        if address in self.wallets:
            return address, {None: lamports}
        account = self.open.get(address)
        if account is None:
            return self.bare.get(address), {None: lamports}
        amount = 0 if tokens is None or account.mint == NATIVE_MINT else tokens.amount
        return account.wallet, {None: lamports - account.rent, account.mint: amount}

    def _follow(self, one: Touched, flow: Flow) -> None:
        """Accounts of wallets that this transaction opens, closes, or gives to another owner."""
        account = self.open.get(one.address)
        if account is not None and not one.lamports_after:
            flow.rent_returned += account.rent
            del self.open[one.address]
        elif (
            account is not None
            and one.tokens_after is not None
            and self._wallet_of(one.tokens_after.owner) != account.wallet
        ):
            del self.open[one.address]
        elif account is None and one.tokens_after is not None:
            wallet = self._wallet_of(one.tokens_after.owner)
            if wallet is None:
                return
            rent = one.lamports_after - _wrapped(one.tokens_after)
            if one.tokens_before is None:
                rent -= one.lamports_before
                flow.rent_opened += rent
            self.open[one.address] = OpenAccount(wallet, one.tokens_after.mint, rent)

    def _wallet_of(self, owner: Pubkey) -> Pubkey | None:
        """Whose an account of this owner is: accounts of a wallet's accounts are the wallet's."""
        if owner in self.wallets:
            return owner
        account = self.open.get(owner)
        return self.bare.get(owner) if account is None else account.wallet

    def _of_others(self, one: Touched, flow: Flow) -> None:
        lamports = one.lamports_after - one.lamports_before
        if one.address == self.receiver:
            flow.home[None] += lamports
        elif one.address == self.payer:
            flow.to_fee_payer += lamports + (flow.fee if flow.fee_payer == self.payer else 0)
        elif one.tokens_before is None and one.tokens_after is None:
            flow.others[None] += lamports + (flow.fee if flow.fee_payer == one.address else 0)
        else:
            self._of_other_accounts(one, flow)

    def _of_other_accounts(self, one: Touched, flow: Flow) -> None:
        tokens = one.tokens_after or one.tokens_before
        if tokens is None:
            return
        gains = flow.home if tokens.owner == self.receiver else flow.others
        mint = None if tokens.mint == NATIVE_MINT else tokens.mint
        before = 0 if one.tokens_before is None else one.tokens_before.amount
        after = 0 if one.tokens_after is None else one.tokens_after.amount
        gains[mint] += after - before
        if one.tokens_before is None:
            flow.opened_elsewhere += one.lamports_after - _wrapped(tokens) - one.lamports_before


def _wrapped(tokens: TokenBalance) -> int:
    return tokens.amount if tokens.mint == NATIVE_MINT else 0


def merged(money: Iterable[tuple[Asset, int]]) -> Counter[Asset]:
    """Wrapped SOL counted as SOL."""
    total: Counter[Asset] = Counter()
    for asset, units in money:
        total[None if asset == NATIVE_MINT else asset] += units
    return total
