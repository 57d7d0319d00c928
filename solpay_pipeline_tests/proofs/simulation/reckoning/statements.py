"""The statement of each wallet: came in = home + withheld + burnt + fees + elsewhere + still there."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from solders.pubkey import Pubkey

from solpay_pipeline_tests.proofs.simulation.reckoning.flows import Asset, Flow


@dataclass(slots=True)
class Statement:
    """Base units by asset, wrapped SOL as SOL. What nobody gained of a token with a fee is `withheld`, of another `burnt`."""

    came_in: Counter[Asset] = field(default_factory=Counter)
    home: Counter[Asset] = field(default_factory=Counter)
    withheld: Counter[Asset] = field(default_factory=Counter)
    burnt: Counter[Asset] = field(default_factory=Counter)
    fees: Counter[Asset] = field(default_factory=Counter)
    elsewhere: Counter[Asset] = field(default_factory=Counter)

    def should_be_there(self) -> Counter[Asset]:
        """What all entries leave."""
        left = Counter(self.came_in)
        for gone in (self.home, self.withheld, self.burnt, self.fees, self.elsewhere):
            left.subtract(gone)
        return Counter({asset: units for asset, units in left.items() if units})

    def lost(self) -> Counter[Asset]:
        """What went to strangers, or was destroyed."""
        return self.elsewhere + self.burnt


def enter(statements: Mapping[Pubkey, Statement], flow: Flow, taxes: Mapping[Asset, int]) -> None:
    """Divide what one transaction took from wallets; `taxes` are the highest fees of tokens, in basis points.

    Where it took from several wallets the receiver's gain is shared out in their order.
    """
    home, others = +flow.home, +flow.others
    others[None] += max(0, flow.to_fee_payer - flow.rent_returned)
    for wallet, gained in flow.gained.items():
        statement = statements[wallet]
        for asset, units in gained.items():
            if units > 0:
                statement.came_in[asset] += units
                continue
            left = -units
            if asset is None and flow.fee_payer == wallet:
                left -= _move(min(left, flow.fee), statement.fees, asset)
            left -= _share(left, home, statement.home, asset)
            left -= _share(left, others, statement.elsewhere, asset)
            _move(left, statement.withheld if taxes.get(asset) else statement.burnt, asset)


def _share(left: int, gains: Counter[Asset], into: Counter[Asset], asset: Asset) -> int:
    part = min(left, gains[asset])
    gains[asset] -= part
    return _move(part, into, asset)


def _move(units: int, into: Counter[Asset], asset: Asset) -> int:
    if units:
        into[asset] += units
    return units
