"""What must hold of every wallet's money at rest, by the chain's record and by the rows as plain SQL shows them."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT, TokenAccount, read_token_account
from solpay_pipeline_tests.proofs.simulation.checks import AT_REST, Checks
from solpay_pipeline_tests.proofs.simulation.reckoning.flows import Asset, merged
from solpay_pipeline_tests.proofs.simulation.reckoning.statements import Statement
from solpay_pipeline_tests.proofs.simulation.rude.kinds import Kind
from solpay_pipeline_tests.proofs.simulation.till import Till
from solpay_pipeline_tests.proofs.simulation.world import World

_FROZEN = 2
_CLOSING_FEE = 4 * 10_000
"""Lamports. What an account gives back is surely worth its close beyond this and four times the priority fee."""

_WITHOUT_AMOUNT = frozenset({"no_payment", "key_mismatch", "duplicate_address", "transaction_failed"})
"""Findings about a row that makes no sense: who reads one has to look at the wallet as a whole. Of a transaction that
fails on chain each time the ledger has the amounts.
"""

_OUR_OWN_CLOSINGS = frozenset({*AT_REST, "received_funds"})


@dataclass(frozen=True, slots=True)
class Found:
    """A finding's row. `mint` is None for SOL, or where none is meant."""

    code: str
    mint: str | None
    amount: int
    stands: bool

    def names(self, asset: Asset, units: int) -> bool:
        """Whether it is about at least so much of an asset."""
        return self.mint == (None if asset is None else str(asset)) and self.amount >= units


class Audit:
    """Of one world, made anew whenever it is asked for."""

    def __init__(self, world: World, checks: Checks, *, discovers: bool) -> None:
        self.world = world
        self.checks = checks
        self.discovers = discovers
        checks.flows()
        self.statements = checks.reckoner.statements(world.taxes)
        self.there = checks.reckoner.there()
        self.findings = self._findings()

    def ask(self) -> None:
        """Ask everything of every address."""
        sharing: defaultdict[Pubkey, list[Till]] = defaultdict(list)
        for till in self.world.tills:
            sharing[till.address].append(till)
        for address, tills in sharing.items():
            self._statement_balances(tills[0], self.statements[address])
            if any(self._is_live(till) for till in tills):
                continue
            self._what_is_there_is_named(tills)
            self._what_was_lost_is_named(tills)
            self._nothing_is_left_open(tills)

    def of(self, till: Till) -> list[Found]:
        """All findings about a payment's wallet, also those that no longer stand."""
        return self.findings.get(till.wallet_id, [])

    def _is_live(self, till: Till) -> bool:
        is_over = till.expires < self.world.unix_time() - 60
        return self.checks.payments.get(till.payment_id) == "initiated" and not is_over

    def _statement_balances(self, till: Till, statement: Statement) -> None:
        said, is_there = statement.should_be_there(), merged(self.there[till.address].items())
        if said != is_there:
            told = self.checks.told
            self.checks.fail(
                "every unit is explained",
                f"wallet {till.number} holds {told(is_there)}, and its statement says {told(said)}",
            )

    def _what_is_there_is_named(self, tills: Sequence[Till]) -> None:
        known = [found for till in tills for found in self.of(till) if found.stands]
        if any(found.code in _WITHOUT_AMOUNT for found in known):
            return
        for asset, units in self._expected_there(tills).items():
            if not any(found.names(asset, units) for found in known):
                self._fail(
                    tills,
                    "what does not go home is named",
                    f"holds {self.checks.told({asset: units})}",
                    known,
                )

    def _expected_there(self, tills: Sequence[Till]) -> Mapping[Asset, int]:
        """What can be known of: asked for or SOL, and in no account that only a search could find."""
        money = Counter(self.there[tills[0].address])
        if not self.discovers:
            for account in self.world.hidden:
                state = self._account(account)
                if state is not None and state.owner == tills[0].address:
                    money[state.mint] -= state.amount
        asked: set[Asset] = {None, *(mint for till in tills for mint in till.asked)}
        return {asset: units for asset, units in (+money).items() if asset in asked}

    def _what_was_lost_is_named(self, tills: Sequence[Till]) -> None:
        """Money that somebody took, by a finding that need not stand any more."""
        known = [found for till in tills for found in self.of(till)]
        if any(found.stands and found.code in _WITHOUT_AMOUNT for found in known):
            return
        is_waiting = any(found.stands and found.code == "token_stuck" for found in known)
        # What was taken is told when a wallet comes to rest; one with a token that cannot move is not there yet.
        if Kind.OTHER_THIEVES not in self.world.kinds and (is_waiting or self._has_its_price(tills)):
            return
        told = [found for found in known if found.code == "funds_elsewhere"]
        asked: set[Asset] = {None, *(mint for till in tills for mint in till.asked)}
        for asset, units in self.statements[tills[0].address].lost().items():
            names: tuple[Asset, ...] = (None, NATIVE_MINT) if asset is None else (asset,)
            amount = sum(
                max(
                    (one.amount for one in told if one.mint == (None if name is None else str(name))),
                    default=0,
                )
                for name in names
            )
            if asset in asked and amount < units:
                self._fail(
                    tills, "what does not go home is named", f"lost {self.checks.told({asset: units})}", known
                )

    def _has_its_price(self, tills: Sequence[Till]) -> bool:
        """The merchant has what was asked for: only a whole history shows what was taken beside it."""
        statement = self.statements[tills[0].address]
        home = statement.home + statement.withheld
        return any(
            home[None if mint == NATIVE_MINT else mint] >= price
            for till in tills
            for version in till.versions
            for mint, price in version.prices.items()
        )

    def _nothing_is_left_open(self, tills: Sequence[Till]) -> None:
        """No wallet is called finished, or held, with empty accounts that are worth their fee.

        Of mints that a row named before anybody looked at it nobody can know.
        """
        states = {self.checks.wallets[till.wallet_id] for till in tills}
        if not states <= _OUR_OWN_CLOSINGS:
            return
        known = [found for till in tills for found in self.of(till) if found.stands]
        if any(found.code in _WITHOUT_AMOUNT for found in known):
            return
        seen = [one for till in tills for one in till.versions if one.stands or one.known_since is not None]
        asked = {mint for version in seen for mint in version.prices}
        rent = sum(
            account.rent
            for address, account in self.checks.reckoner.accounts.items()
            if account.wallet == tills[0].address
            and account.mint in asked
            and self._can_be_closed(address, account.rent)
        )
        if rent > _CLOSING_FEE + 4 * self.world.habits.max_priority_fee:
            self._fail(tills, "nothing is left open", f"could give back {rent} lamports of rent", known)

    def _can_be_closed(self, address: Pubkey, rent: int) -> bool:
        state, account = self._account(address), self.world.chain.accounts.newest(address)
        if state is None or account is None or address in self.world.hidden:
            return False
        is_empty = account.lamports == rent and not state.amount
        return is_empty and state.state != _FROZEN and state.close_authority is None

    def _account(self, address: Pubkey) -> TokenAccount | None:
        account = self.world.chain.accounts.newest(address)
        return None if account is None else read_token_account(account.owner, account.data)

    def _findings(self) -> dict[int, list[Found]]:
        rows = self.world.database.rows(
            "SELECT wallet_id, code, mint, amount, standing_key IS NOT NULL AS stands FROM solpay_finding"
        )
        found: defaultdict[int, list[Found]] = defaultdict(list)
        for row in rows:
            found[row["wallet_id"]].append(
                Found(row["code"], row["mint"], int(row["amount"]), bool(row["stands"]))
            )
        return found

    def _fail(self, tills: Sequence[Till], check: str, what: str, known: Sequence[Found]) -> None:
        checks = self.checks
        whose = ", ".join(
            f"{till.number} ({checks.wallets[till.wallet_id]}, its payment"
            f" {checks.payments.get(till.payment_id, 'deleted')})"
            for till in tills
        )
        told = sorted(
            {f"{one.code} {one.amount} {one.mint or ''}{'' if one.stands else ' once'}" for one in known}
        )
        checks.fail(check, f"wallet {whose} {what}; findings: {', '.join(told) or 'none'}")
