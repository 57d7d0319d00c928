"""What must hold at the end, when faults have stopped, everything is final, and all operations have run until quiet."""

import json
from collections import Counter, defaultdict

from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT
from solpay_pipeline_tests.proofs.simulation.checks import ACCEPTED, AT_REST, DELETED, NEVER_LANDED, Checks
from solpay_pipeline_tests.proofs.simulation.database import difference
from solpay_pipeline_tests.proofs.simulation.reckoning.audit import Audit
from solpay_pipeline_tests.proofs.simulation.rude.kinds import FOUND_BY_SEARCH
from solpay_pipeline_tests.proofs.simulation.runs import Runs
from solpay_pipeline_tests.proofs.simulation.sky import set_sky
from solpay_pipeline_tests.proofs.simulation.steps import Operation, Run
from solpay_pipeline_tests.proofs.simulation.till import Change, Till, holdings, must_be_accepted
from solpay_pipeline_tests.proofs.simulation.web import WebApplication
from solpay_pipeline_tests.proofs.simulation.world import FEE_PAYER_LAMPORTS, World

_MOST_ROUNDS = 12
_A_ROUND: tuple[Operation, ...] = ("recheck", "expire", "sweep", "reclaim")
_SWEEPABLE = frozenset({"processing_payment", "processing_funds", "failed_to_send_funds"})
_HELD_CODES = frozenset({"short", "late", "unexpected"})
_TOLD_CODES = frozenset({"overpaid", "foreign_movement", "fork", "offer_changed"})


class Rest:
    """The end of one world's history."""

    def __init__(self, world: World, checks: Checks, runs: Runs, web: WebApplication) -> None:
        self.world = world
        self.checks = checks
        self.runs = runs
        self.web = web
        self.log: list[str] = []
        self._option: str | None = None

    def come_to_rest(self) -> None:
        """Stop all faults, run everything until a round of it changes nothing, and ask everything."""
        world = self.world
        set_sky(world, "clear")
        world.clock_skew = 0.0
        world.mint_house.airdrop(self.checks.ours, FEE_PAYER_LAMPORTS)
        self.runs.disarm()
        if world.dice.random() < 0.5:
            self._rest()
        self._outlast_all()
        if world.kinds & FOUND_BY_SEARCH and world.seed % 2 == 0:
            self._option = "discovering"
        self._rest()

    def _rest(self) -> None:
        self.world.loop.pass_time(90)
        self._run_until_quiet()
        self.checks.raise_broken()
        self._ask()
        self.checks.raise_broken()

    def _run_until_quiet(self) -> None:
        """The last round is the proof that running everything again changes nothing."""
        for _ in range(_MOST_ROUNDS):
            before = self._picture()
            self._round()
            after = self._picture()
            if after == before:
                return
        words = difference(before[0], after[0]) or "a transaction landed"
        self.checks.fail("running everything again changes nothing", words)

    def _outlast_all(self) -> None:
        """Everybody's time is over, and nobody's watch."""
        last = max((till.expires for till in self.world.tills), default=0)
        left = last + 1 - self.world.unix_time()
        if left > 0:
            self.world.loop.pass_time(left)
            self.log.append("The last payment's time runs out.")

    def _round(self) -> None:
        self.world.database.make_looks_due()
        for operation in _A_ROUND:
            self.log.append(self.runs.run(Run(operation, self._option)))
            self.world.finalize()
            self.checks.after_step()
        self.log.append(self.runs.deliver("good"))
        self.world.loop.pass_time(86_400 if self._is_waiting_for_events() else 0)

    def _is_waiting_for_events(self) -> bool:
        return bool(self.world.database.rows("SELECT 1 FROM solpay_event WHERE delivered_at IS NULL"))

    def _picture(self) -> tuple[dict[str, list[tuple[object, ...]]], int]:
        return self.world.database.picture(), self.world.chain.history.count()

    def _ask(self) -> None:
        audit = Audit(self.world, self.checks, discovers=self._option is not None)
        self._findings = self._standing()
        audit.ask()
        changes = list(self.world.account.changes())
        for till in self.world.tills:
            if till.is_deleted:
                continue
            self._paid_is_accepted(till, changes)
            self._money_has_its_reason(till)
            self._states_have_evidence(till)
        self._one_transfer_pays_one_payment()
        self._nothing_is_in_flight()
        self._the_ledger_is_the_chain()
        self._movements_are_the_chain()
        self._everything_is_told_once()
        self._every_key_opens()
        self.checks.keeps_secrets(self.world.database.texts())

    def _status(self, till: Till) -> str:
        return self.checks.payments.get(till.payment_id, DELETED)

    def _state(self, till: Till) -> str:
        return self.checks.wallets[till.wallet_id]

    def _standing(self) -> dict[int, set[tuple[str, str | None, int]]]:
        found: defaultdict[int, set[tuple[str, str | None, int]]] = defaultdict(set)
        rows = self.world.database.rows(
            "SELECT wallet_id, code, mint, amount FROM solpay_finding WHERE standing_key IS NOT NULL"
        )
        for row in rows:
            found[row["wallet_id"]].add((row["code"], row["mint"], int(row["amount"])))
        return found

    def _set_aside(self, till: Till) -> set[str]:
        codes = {code for code, _, _ in self._findings.get(till.wallet_id, ())}
        return codes - _HELD_CODES - _TOLD_CODES

    def _paid_is_accepted(self, till: Till, changes: list[Change]) -> None:
        status = self._status(till)
        is_over = till.expires < self.world.unix_time() - 60
        is_paid = must_be_accepted(till, changes, self.checks.ours, self.world.worst_skew)
        # While there is time recheck goes by what is at the row's address. All else it finds when the time is over.
        is_there = bool(+sum(holdings(self.world.chain, till.address), Counter())) and not till.is_elsewhere
        is_seen = is_over or is_there
        if is_paid and is_seen and status not in ACCEPTED and not self._is_nonsense(till):
            self.checks.fail("paid in time ends as accepted", f"payment {till.number} is {status} at the end")
        if status == "initiated" and is_over and not self._set_aside(till):
            self.checks.fail("what is over is expired", f"payment {till.number} is {status} at the end")

    def _is_nonsense(self, till: Till) -> bool:
        """Its row names an address that is another's, or another payment's as well, and somebody has been told."""
        return bool({"key_mismatch", "duplicate_address"} & self._set_aside(till))

    def _one_transfer_pays_one_payment(self) -> None:
        accepted = Counter(
            till.address
            for till in self.world.tills
            if self._status(till) in ACCEPTED and till.payment_id not in self.web.accepted
        )
        for address, number in accepted.items():
            if number > 1:
                self.checks.fail(
                    "one transfer pays one payment", f"{number} payments of {address} are accepted"
                )

    def _money_has_its_reason(self, till: Till) -> None:
        hidden = frozenset() if self._option else self.world.hidden
        movable, frozen = holdings(self.world.chain, till.address, besides=hidden)
        known = {
            mint: units for mint, units in (movable + frozen).items() if mint is None or mint in till.asked
        }
        state = self._state(till)
        if not known and state in _SWEEPABLE and not self._set_aside(till):
            self.checks.fail(
                "no wallet is forgotten", f"wallet {till.number} is {state}, empty, and nobody says why"
            )
        if (
            state in AT_REST
            and any(movable[mint] for mint in {None, *till.asked})
            and not self._is_nonsense(till)
        ):
            self.checks.fail(
                "a wallet at rest holds nothing",
                f"wallet {till.number} is {state}: {self.checks.told(known)}",
            )

    def _states_have_evidence(self, till: Till) -> None:
        database = self.world.database
        row = database.rows(
            f"SELECT p.signature, p.paid_token_id, w.receiver_address FROM {database.tables.payment.name} p"
            f" JOIN {database.tables.wallet.name} w ON w.id = p.one_time_payment_wallet_id WHERE p.id = ?",
            till.payment_id,
        )[0]
        # Of a token whose row has got another mint since, none is named.
        names_token = row["paid_token_id"] or len(till.versions) > 1
        if self._status(till) in ACCEPTED and not (row["signature"] and names_token):
            self.checks.fail(
                "no status without evidence", f"payment {till.number} is accepted without a signature"
            )
        if self._state(till) == "sent_funds" and row["receiver_address"] != str(self.world.receiver):
            self.checks.fail(
                "no status without evidence", f"wallet {till.number} is sent to {row['receiver_address']}"
            )

    def _nothing_is_in_flight(self) -> None:
        rows = self.world.database.rows(
            "SELECT signature FROM solpay_transaction WHERE state IN ('recorded', 'confirmed')"
        )
        legs = self.world.database.rows("SELECT wallet_id FROM solpay_leg WHERE active_wallet_id IS NOT NULL")
        if rows or legs:
            self.checks.fail("nothing stays in flight", f"{len(rows)} transactions, {len(legs)} legs")

    def _the_ledger_is_the_chain(self) -> None:
        """Every transaction of ours is in the ledger as what it is on chain, and the other way round."""
        for row in self.world.database.rows("SELECT signature, state, fee FROM solpay_transaction"):
            record = self.world.chain.history.get(row["signature"])
            landed = record is not None and record.err is None
            if landed != (row["state"] == "finalized") or (
                record is not None and row["state"] in NEVER_LANDED
            ):
                error = None if record is None else record.err
                self.checks.fail(
                    "the ledger is the chain",
                    f"{row['signature']} is {row['state']}; on chain: {record is not None}, error {error}",
                )
            if record is not None and landed and int(row["fee"]) != record.executed.fee:
                self.checks.fail("the ledger is the chain", f"{row['signature']} cost {record.executed.fee}")

    def _movements_are_the_chain(self) -> None:
        """What the ledger says was moved home by what landed is what the wallets lost."""
        moved: Counter[tuple[str, str | None]] = Counter()
        for row in self.world.database.rows(
            "SELECT t.signature, m.kind, m.mint, m.amount FROM solpay_movement m JOIN solpay_leg l ON l.id = m.leg_id"
            " JOIN solpay_transaction t ON t.id = l.transaction_id"
            " WHERE t.state = 'finalized' AND m.kind IN ('lamports', 'tokens')"
        ):
            moved[row["signature"], _as_sol(row["mint"])] += int(row["amount"])
        lost: Counter[tuple[str, str | None]] = Counter()
        for flow in self.checks.flows():
            if flow.fee_payer == self.checks.ours:
                for gained in flow.gained.values():
                    for mint, units in gained.items():
                        lost[flow.signature, None if mint is None else str(mint)] -= units
        if +moved != +lost:
            self.checks.fail("the ledger is the chain", f"moved {+moved - +lost}, lost {+lost - +moved}")

    def _everything_is_told_once(self) -> None:
        database = self.world.database
        events = database.rows(
            "SELECT id, event_id, kind, payment_id, delivered_at, body FROM solpay_event ORDER BY id"
        )
        told: Counter[tuple[int, str]] = Counter((row["payment_id"], row["kind"]) for row in events)
        for till in self.world.tills:
            accepted = told[till.payment_id, "payment.accepted"]
            by_us = self._status(till) in ACCEPTED and till.payment_id not in self.web.accepted
            if accepted > 1 or (by_us and accepted != 1):
                self.checks.fail("acceptance is told once", f"payment {till.number}: {accepted} times")
            if told[till.payment_id, "payment.expired"] > 1:
                self.checks.fail("expiry is told once", f"payment {till.number}")
        places = {event_id: place for place, event_id in reversed(list(enumerate(self.runs.receiver.taken)))}
        last: dict[int, int] = {}
        for row in events:
            if row["event_id"] not in places:
                self.checks.fail(
                    "every event arrives", f"{row['kind']} of payment {row['payment_id']} did not"
                )
                continue
            place = places[row["event_id"]]
            if place < last.get(row["payment_id"], -1):
                self.checks.fail("events arrive in order", f"{row['kind']} of payment {row['payment_id']}")
            last[row["payment_id"]] = place
            json.loads(row["body"])

    def _every_key_opens(self) -> None:
        database = self.world.database
        rows = database.rows(f"SELECT id, keypair_json FROM {database.tables.wallet.name}")
        sealed = {row["id"]: row["keypair_json"] for row in rows}
        for till in self.world.tills:
            content = sealed[till.wallet_id]
            text = json.loads(content) if isinstance(content, str) and content.startswith('"') else content
            if self.world.opened(text) != till.keypair:
                self.checks.fail("every key opens", f"wallet {till.number}")


def _as_sol(mint: str | None) -> str | None:
    """Wrapped SOL that comes while its account is closed ends as lamports in the wallet."""
    return None if mint == str(NATIVE_MINT) else mint
