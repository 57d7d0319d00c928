"""What must hold at every commit of ours, at every send, and after every step. One named method for each promise.

A broken promise is noted and ends the history at its step, so that nothing of the product sees the check.
"""

import base64
import json
from collections import Counter
from typing import Any

from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from solpay_pipeline.localnet.chain.config import CommitmentName
from solpay_pipeline_tests.proofs.simulation.database import difference
from solpay_pipeline_tests.proofs.simulation.process import Process
from solpay_pipeline_tests.proofs.simulation.reckoning.flows import Flow
from solpay_pipeline_tests.proofs.simulation.reckoning.reckoner import Reckoner
from solpay_pipeline_tests.proofs.simulation.till import (
    Change,
    Money,
    Till,
    holdings,
    may_be_accepted,
    must_be_accepted,
)
from solpay_pipeline_tests.proofs.simulation.world import World

ACCEPTED = frozenset({"processed", "confirmed", "finalized"})
AT_REST = frozenset({"sent_funds", "payment_expired_and_wallet_closed"})
OVER = frozenset({"payment_expired", "payment_expired_and_wallet_closed"})
NEVER_LANDED = frozenset({"dead", "refused"})
DELETED = "deleted"


class Broken(AssertionError):
    """A promise was broken; `check` names it."""

    def __init__(self, check: str, what: str) -> None:
        super().__init__(check, what)
        self.check = check
        self.what = what

    def __str__(self) -> str:
        return f"{self.check}: {self.what}"


class Checks:
    """Watches one world."""

    def __init__(self) -> None:
        self.broken: list[Broken] = []
        self.wallets: dict[int, str] = {}
        self.payments: dict[int, str] = {}
        self.transactions: dict[str, str] = {}
        self._judged: set[tuple[str, int]] = set()
        self._secrets: list[str] = []

    def watch(self, world: World) -> None:
        """Begin."""
        self.world = world
        self.ours = world.fee_payer.pubkey()
        self.reckoner = Reckoner(world.chain, world.receiver, self.ours)
        self._secrets = _secrets_of(world)
        world.database.on_commit = self.on_commit
        self.look_again()

    def fail(self, check: str, what: str) -> None:
        """Note that a promise is broken."""
        self.broken.append(Broken(check, what))

    def look_again(self) -> None:
        """Take what the rows say now for given: somebody else has written them."""
        self.wallets, self.payments, self.transactions = self._rows()

    # -- at every send ------------------------------------------------------------------------------------------

    def nothing_leaves_unrecorded(self, wire: str) -> None:
        """The very bytes are in the ledger, committed, before they are sent."""
        raw = base64.b64decode(wire)
        signature = str(VersionedTransaction.from_bytes(raw).signatures[0])
        rows = self.world.database.rows("SELECT wire FROM solpay_transaction WHERE signature = ?", signature)
        if not rows or bytes(rows[0]["wire"]) != raw:
            self.fail("nothing leaves unrecorded", f"{signature} was sent and is not in the ledger")

    # -- at every commit ----------------------------------------------------------------------------------------

    def on_commit(self, process: Process) -> None:
        """Compare the rows with what they were."""
        wallets, payments, transactions = self._rows()
        for till in self.world.tills:
            was, became = self.payments.get(till.payment_id, ""), payments.get(till.payment_id, DELETED)
            state_was, state = self.wallets.get(till.wallet_id, ""), wallets[till.wallet_id]
            if was != became:
                self._payment_changed(till, was, became, process)
            if state_was != state:
                self._wallet_changed(till, state_was, state, became, process)
        for signature, state in transactions.items():
            if self.transactions.get(signature) != state:
                self._transaction_changed(signature, state, process)
        self.wallets, self.payments, self.transactions = wallets, payments, transactions

    def _payment_changed(self, till: Till, was: str, became: str, process: Process) -> None:
        if was in ACCEPTED:
            self.fail("what is accepted stays accepted", f"payment {till.number} went from {was} to {became}")
        if process.forked:
            return
        slot = self.world.chain.slot_at(_name(self.world.deployment.acceptance.value))
        changes, skew = list(self.world.account.changes(slot)), self.world.worst_skew
        if became == "expired" and not till.is_elsewhere and must_be_accepted(till, changes, self.ours, skew):
            self.fail(
                "paid in time is never expired", f"payment {till.number} is expired, and was paid in time"
            )
        if became == "expired" and self.world.chain_time(slot) <= till.expires:
            self.fail("nothing expires before its time", f"payment {till.number} expires too early")
        if became in ACCEPTED and not may_be_accepted(till, changes, self.ours, skew):
            self.fail("only paid is accepted", f"payment {till.number} is accepted, and was not paid in time")

    def _wallet_changed(self, till: Till, was: str, state: str, status: str, process: Process) -> None:
        world = self.world
        confirmed = world.chain.slot_at("confirmed")
        if state in OVER and status == "initiated" and world.chain_time(confirmed) <= till.expires:
            self.fail("live wallets are left alone", f"wallet {till.number} went from {was} to {state}")
        if state not in AT_REST or process.forked:
            return
        level = _name(world.deployment.commitment.value)
        movable = holdings(world.chain, till.address, world.chain.slot_at(level), world.hidden)[0]
        unseen: Money = Counter()
        oldest = process.saw - world.chain.slot_at("processed") + world.chain.slot_at(level)
        for change in world.account.changes():
            if change.slot >= oldest and change.fee_payer != self.ours:
                unseen.update({mint: units for mint, units in change.of(till.address).items() if units > 0})
        known = {mint: units for mint, units in movable.items() if mint in till.asked or mint is None}
        left = {mint: units for mint, units in known.items() if units > unseen[mint]}
        if left:
            self.fail(
                "a wallet at rest holds nothing",
                f"wallet {till.number} became {state} with {self.told(left)}",
            )

    def _transaction_changed(self, signature: str, state: str, process: Process) -> None:
        world = self.world
        record = world.chain.history.get(signature)
        if state == "recorded":
            self._one_leg_at_a_time(signature, process)
        elif state in NEVER_LANDED:
            if record is not None and (record.err is None or record.executed.fee):
                self.fail(
                    "what landed is never called dead", f"{signature} is {state} and in slot {record.slot}"
                )
        elif not process.forked and record is None:
            self.fail("what is called landed is on chain", f"{signature} is {state} and in no block")
        elif record is not None and (record.err is None) != (state in ("confirmed", "finalized")):
            self.fail(
                "what is called landed is on chain", f"{signature} is {state}, its error is {record.err}"
            )
        if state == "dead":
            self._cannot_land(signature)

    def _cannot_land(self, signature: str) -> None:
        raw = self.world.database.rows("SELECT wire FROM solpay_transaction WHERE signature = ?", signature)
        transaction = VersionedTransaction.from_bytes(bytes(raw[0]["wire"]))
        chain = self.world.chain
        if chain.is_blockhash_valid(transaction.message.recent_blockhash, chain.tick()):
            self.fail("what may land is never called dead", f"{signature} is dead and its blockhash is alive")

    def _one_leg_at_a_time(self, signature: str, process: Process) -> None:
        """No new signature for a wallet while an earlier one may still land, also one that a fork has taken back."""
        chain = self.world.chain
        rows = self.world.database.rows(
            "SELECT leg.wallet_id AS wallet, other.signature AS other, other.state AS state, other.wire AS wire"
            " FROM solpay_leg leg JOIN solpay_transaction mine ON mine.id = leg.transaction_id"
            " JOIN solpay_leg their ON their.wallet_id = leg.wallet_id"
            " JOIN solpay_transaction other ON other.id = their.transaction_id"
            " WHERE mine.signature = ? AND other.id <> mine.id AND other.state IN ('recorded', 'confirmed')",
            signature,
        )
        for row in rows:
            blockhash = VersionedTransaction.from_bytes(bytes(row["wire"])).message.recent_blockhash
            is_on_chain = chain.history.get(row["other"]) is not None
            may_land = not is_on_chain and chain.is_blockhash_valid(blockhash, chain.tick())
            if row["state"] == "recorded" or (may_land and not process.forked):
                self.fail(
                    "no new signature while the old one may land",
                    f"{signature} moves wallet {row['wallet']} while {row['other']} is {row['state']}",
                )

    # -- after every step ---------------------------------------------------------------------------------------

    def after_step(self) -> None:
        """Everything that can be asked at any time. Raises the first promise that is broken."""
        self.look_again()
        for flow in self.flows():
            if flow.fee_payer == self.ours and (flow.signature, flow.slot) not in self._judged:
                self._judged.add((flow.signature, flow.slot))
                self._money_goes_home(flow)
                self._rent_goes_to_the_fee_payer(flow)
                self._was_recorded(flow)
        self._books_balance(list(self.world.account.changes()))
        self.raise_broken()

    def flows(self) -> list[Flow]:
        """What every transaction of the chain did to wallets."""
        world = self.world
        programs = {mint: coin.program for mint, coin in world.coins.items() if mint is not None}
        return self.reckoner.read([till.address for till in world.tills], programs)

    def raise_broken(self) -> None:
        """Raise the first promise that is broken, if any is."""
        if self.broken:
            raise self.broken[0]

    def _was_recorded(self, flow: Flow) -> None:
        if flow.signature not in self.transactions:
            self.fail("nothing leaves unrecorded", f"{flow.signature} landed and is not in the ledger")

    def _money_goes_home(self, flow: Flow) -> None:
        """What wallets lose the receiver gains, less a transfer fee, and nobody else gains anything."""
        lost: Money = Counter()
        for gained in flow.gained.values():
            lost.subtract(gained)
        for asset in {*lost, *flow.home}:
            gone = lost[asset] - flow.home[asset]
            tax = self.world.taxes.get(asset, 0)
            most = -(-lost[asset] * tax // 10_000) + len(flow.gained) if tax else 0
            if not 0 <= gone <= most or (most == 0 and gone):
                self.fail(
                    "money goes to the receiver alone",
                    f"{flow.signature}: wallets lost {self.told({asset: gone})} more than the receiver gained",
                )
        strangers = {asset: units for asset, units in flow.others.items() if units > 0}
        if strangers:
            self.fail(
                "money goes to the receiver alone", f"{flow.signature}: {self.told(strangers)} elsewhere"
            )

    def _rent_goes_to_the_fee_payer(self, flow: Flow) -> None:
        """The fee payer gains what accounts of wallets were opened with, less what it opens others with; no more."""
        rent = flow.rent_returned - flow.rent_opened - flow.opened_elsewhere
        if flow.to_fee_payer != rent:
            self.fail(
                "rent goes to the fee payer alone",
                f"{flow.signature}: the fee payer gained {flow.to_fee_payer}, the rent is {rent}",
            )

    def _books_balance(self, changes: list[Change]) -> None:
        """In = home + withheld + elsewhere + still there: what each wallet holds is what its history adds up to."""
        sums: dict[Pubkey, Money] = {till.address: Counter() for till in self.world.tills}
        for change in changes:
            for address, units in change.lamports.items():
                if address in sums:
                    sums[address][None] += units
            for mint, owners in change.tokens.items():
                for owner, units in owners.items():
                    if owner in sums:
                        sums[owner][mint] += units
        for till in self.world.tills:
            movable, frozen = holdings(self.world.chain, till.address)
            there = movable + frozen
            if there != +sums[till.address]:
                self.fail(
                    "the books balance",
                    f"wallet {till.number} holds {self.told(there)}, its history says {self.told(sums[till.address])}",
                )

    # -- now and then ---------------------------------------------------------------------------------------------

    def a_dry_run_changes_nothing(self, before: tuple[Any, int]) -> None:
        """No row, no transaction."""
        after = (self.world.database.picture(), self.world.chain.history.count())
        if after != before:
            self.fail("a dry run changes nothing", difference(before[0], after[0]) or "a transaction landed")

    def keeps_secrets(self, text: str) -> None:
        """No key of a wallet, of the fee payer or of the vault is in this text."""
        keys = [*self._secrets, *self.world.wallet_keys]
        if any(secret in text for secret in keys):
            self.fail("secrets stay secret", "a key is in a text that people see")

    def told(self, money: Any) -> str:
        """Amounts by coin, for people."""
        return ", ".join(f"{units} {self.world.symbol(mint)}" for mint, units in money.items() if units)

    def _rows(self) -> tuple[dict[int, str], dict[int, str], dict[str, str]]:
        database = self.world.database
        tables = database.tables
        return (
            dict(tuple(row) for row in database.rows(f"SELECT id, state FROM {tables.wallet.name}")),
            dict(tuple(row) for row in database.rows(f"SELECT id, status FROM {tables.payment.name}")),
            dict(tuple(row) for row in database.rows("SELECT signature, state FROM solpay_transaction")),
        )


def _name(level: str) -> CommitmentName:
    match level:
        case "processed" | "confirmed" | "finalized":
            return level
    raise ValueError(level)


def _secrets_of(world: World) -> list[str]:
    keys = [world.fee_payer, *(till.keypair for till in world.tills)]
    return [text for key in keys for text in (str(key), key.to_json(), json.dumps(list(bytes(key))))]
