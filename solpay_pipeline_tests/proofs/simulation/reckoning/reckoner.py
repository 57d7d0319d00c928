"""Keeps the flows of one chain up to date, through forks and new wallets, and makes statements of them."""

from collections import Counter
from collections.abc import Mapping, Sequence

from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT, read_token_account
from solpay_pipeline_tests.proofs.simulation.reckoning.family import OpenAccount, addresses_of
from solpay_pipeline_tests.proofs.simulation.reckoning.flows import Asset, Flow, FlowReader
from solpay_pipeline_tests.proofs.simulation.reckoning.statements import Statement, enter


class Reckoner:
    """`flows` are those of the chain as it is now; what a fork took back never happened."""

    def __init__(self, chain: Chain, receiver: Pubkey, payer: Pubkey) -> None:
        self._chain = chain
        self._receiver = receiver
        self._payer = payer
        self._begin(frozenset(), {})

    def read(self, wallets: Sequence[Pubkey], programs: Mapping[Pubkey, Pubkey]) -> list[Flow]:
        """All flows, oldest first. `programs` are the token programs by mint of all that may be paid in."""
        records = list(self._chain.history.everything())
        known = [(record.signature, record.slot) for record in records]
        is_same = self._known == known[: len(self._known)]
        if not is_same or self._asked != (len(set(wallets)), len(programs)):
            self._begin(frozenset(wallets), addresses_of(wallets, programs))
            self._asked = (len(set(wallets)), len(programs))
        for record in records[len(self._known) :]:
            self.flows.append(self._reader.read(record))
        self._known = known
        return self.flows

    def statements(self, taxes: Mapping[Asset, int]) -> dict[Pubkey, Statement]:
        """Of every wallet, from the flows as they were last read."""
        statements = {wallet: Statement() for wallet in self._reader.wallets}
        for flow in self.flows:
            enter(statements, flow, taxes)
        return statements

    @property
    def accounts(self) -> Mapping[Pubkey, OpenAccount]:
        """Open token accounts of wallets by address, as the record says."""
        return self._reader.open

    def there(self) -> dict[Pubkey, Counter[Asset]]:
        """What each wallet holds now, from the accounts themselves and no record; rent aside, wrapped SOL by itself."""
        found: dict[Pubkey, Counter[Asset]] = {wallet: Counter() for wallet in self._reader.wallets}
        for wallet, money in found.items():
            money[None] += self._lamports(wallet)
        for address, wallet in self._reader.bare.items():
            if address not in self._reader.open:
                found[wallet][None] += self._lamports(address)
        for address, account in self._reader.open.items():
            state = self._chain.accounts.newest(address)
            token = None if state is None else read_token_account(state.owner, state.data)
            if state is None or token is None:
                continue
            beyond = state.lamports - account.rent
            if account.mint == NATIVE_MINT:
                found[account.wallet][NATIVE_MINT] += beyond
            else:
                found[account.wallet][None] += beyond
                found[account.wallet][account.mint] += token.amount
        return {wallet: +money for wallet, money in found.items()}

    def _begin(self, wallets: frozenset[Pubkey], bare: Mapping[Pubkey, Pubkey]) -> None:
        self.flows: list[Flow] = []
        self._known: list[tuple[str, int]] = []
        self._asked = (0, 0)
        self._reader = FlowReader(wallets, bare, self._receiver, self._payer)

    def _lamports(self, address: Pubkey) -> int:
        state = self._chain.accounts.newest(address)
        return 0 if state is None else state.lamports
