"""The chain: a ledger over LiteSVM with slots, blockhashes, commitment levels, history and forks.

LiteSVM executes. What a runtime alone does not know is here: whether a blockhash is still valid, whether a transaction
has landed before, what an account held at the confirmed slot. A transaction executes at once, in the slot that is being
built.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from solders.account import Account
from solders.clock import Clock
from solders.compute_budget import set_compute_unit_limit
from solders.hash import Hash
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.rent import Rent
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from solpay_pipeline.localnet.chain.accounts import CLOCK_SYSVAR, AccountStore
from solpay_pipeline.localnet.chain.blockhashes import Blockhashes
from solpay_pipeline.localnet.chain.clock import SlotClock
from solpay_pipeline.localnet.chain.config import (
    BLOCKHASH_LIFE_BLOCKS,
    SLOTS_PER_EPOCH,
    ChainConfig,
    CommitmentName,
)
from solpay_pipeline.localnet.chain.errors import Rejected, TransactionErrorJson
from solpay_pipeline.localnet.chain.execution import executed, memo_of
from solpay_pipeline.localnet.chain.history import Executed, History, TransactionRecord
from solpay_pipeline.localnet.chain.runtime import Outcome, Runtime
from solpay_pipeline.localnet.chain.snapshot import Snapshot
from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT, TOKEN_PROGRAM, native_mint_bytes
from solpay_pipeline.localnet.chain.transactions import Decoded, parse, resolve

__all__ = ["Chain", "ChainConfig", "Simulation"]

_FAUCET_LAMPORTS = 10**17
_RENT_EPOCH_EXEMPT = 2**64 - 1
_AIRDROP_UNITS = 10_000
_AIRDROP_VARIETY = 1_000_000


@dataclass(frozen=True, slots=True)
class Simulation:
    """What would happen: the result, the accounts after it, and the bytes of account data that it loads."""

    executed: Executed
    accounts: dict[Pubkey, Account]
    loaded_bytes: int

    @property
    def err(self) -> TransactionErrorJson | None:
        """None where it would succeed."""
        return self.executed.err


class Chain:
    """One local chain in memory. Public methods may be called from any thread: `lock` guards all of them.

    `monotonic` counts seconds where `config.clock` is "wall"; a simulation passes its own.
    """

    def __init__(
        self, config: ChainConfig | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.config = config or ChainConfig()
        self.lock = threading.RLock()
        self.history = History()
        self.genesis_hash = self.config.genesis()
        self.identity = self._derived_keypair("identity").pubkey()
        self._svm = LiteSVM()
        # LiteSVM's own checks know one blockhash and no clock, so they are made here. Signatures are verified in
        # `submit` and preflight.
        self._svm.with_blockhash_check(False)
        self._svm.with_transaction_history(0)
        self._svm.with_sigverify(False)
        self._svm.set_rent(Rent(self.config.rent_lamports_per_byte))
        self.accounts = AccountStore(self._svm, self._clock_account)
        self._runtime = Runtime(self._svm)
        self._clock = SlotClock(self.config, monotonic)
        self._slot = self.config.first_slot
        self._blockhashes = Blockhashes(self.genesis_hash, self.config.first_slot)
        self._late: list[tuple[int, bytes]] = []
        self._kept_below_final = 0
        self._first_available = self.config.first_slot
        self.airdrops = 0
        self.rent_lamports_per_byte = self.config.rent_lamports_per_byte
        self._faucet = self._derived_keypair("faucet")
        self._write_genesis()
        self._set_runtime_clock()

    def tick(self) -> int:
        """Brings the chain up to its clock and returns the slot that is being built."""
        with self.lock:
            slot = self._clock.slot()
            if slot != self._slot:
                while self._late and self._late[0][0] <= slot:
                    landing_slot, wire = self._late.pop(0)
                    self._enter(max(landing_slot, self._slot))
                    self._land_if_possible(wire)
                self._enter(slot)
            return self._slot

    def slot_at(self, commitment: CommitmentName) -> int:
        """The newest slot of this commitment level."""
        lag = {"processed": 0, "confirmed": self.config.confirmed_lag, "finalized": self.config.finalized_lag}
        return self._slot - lag[commitment]

    def block_height(self, slot: int) -> int:
        """Blocks below `slot`: the slot less those that were skipped."""
        return slot - self.config.skipped_slots

    def block_time(self, slot: int) -> int:
        """Unix seconds of the block in `slot`."""
        return self._clock.block_time(slot)

    def latest_blockhash(self, commitment: CommitmentName = "processed") -> tuple[Hash, int]:
        """The level's newest blockhash, and the last block height at which a transaction with it may land."""
        with self.lock:
            self.tick()
            slot = self.slot_at(commitment)
            return self._blockhashes.at(slot), self.block_height(slot) + BLOCKHASH_LIFE_BLOCKS

    def blockhash_at(self, slot: int) -> Hash | None:
        """The hash of the block in `slot`, None where it is too old."""
        try:
            return self._blockhashes.at(slot)
        except KeyError:
            return None

    def is_blockhash_valid(self, blockhash: Hash, bank_slot: int) -> bool:
        """Whether a transaction with this blockhash could enter the block in `bank_slot`."""
        born = self._blockhashes.slot_of(blockhash)
        return born is not None and 0 <= bank_slot - born <= BLOCKHASH_LIFE_BLOCKS

    def decode(self, wire: bytes) -> Decoded:
        """A transaction from the wire with its lookup tables' addresses; -32602 or `Rejected` where it is invalid."""
        return resolve(parse(wire), wire, self.accounts.newest)

    def submit(self, wire: bytes, forced_err: TransactionErrorJson | None = None) -> TransactionRecord:
        """Puts a transaction into the current block, without preflight. One that fails is recorded and pays its fee.

        `forced_err` makes it fail on chain with that error. Raises `Rejected` where no block could take it (signature,
        blockhash, landed before, fee payer), RpcError(-32602) where it is malformed.
        """
        with self.lock:
            self.tick()
            decoded = self.decode(wire)
            self.check_signatures(decoded)
            return self.land(decoded, forced_err)

    def land(self, decoded: Decoded, forced_err: TransactionErrorJson | None = None) -> TransactionRecord:
        """As `submit`, for checked signatures."""
        with self.lock:
            self._check_age(decoded, self._slot)
            return self._execute(decoded, forced_err)

    def submit_late(self, wire: bytes, slots: int) -> None:
        """Lets a transaction land `slots` later, if it still can."""
        with self.lock:
            self._late.append((self.tick() + slots, wire))
            self._late.sort(key=lambda entry: entry[0])

    def simulate(self, decoded: Decoded, bank_slot: int, check_age: bool = True) -> Simulation:
        """Runs the transaction on the state of `bank_slot` and writes nothing. Its error is in the result."""
        with self.lock:
            if check_age:
                try:
                    self._check_age(decoded, bank_slot)
                except Rejected as rejected:
                    return Simulation(_not_executed(rejected.err), {}, 0)
            with self.accounts.as_of(bank_slot, decoded.keys):
                before = {key: self.accounts.newest(key) for key in decoded.keys}
                outcome = self._runtime.simulate(decoded)
                loaded_bytes = self._runtime.loaded_bytes(decoded)
            accounts = outcome.accounts or {}
            result = executed(decoded, outcome, before, accounts, self.accounts.newest)
            return Simulation(result, accounts, loaded_bytes)

    def check_signatures(self, decoded: Decoded) -> None:
        """Raises `Rejected("SignatureFailure")` unless every signature is right."""
        try:
            valid = all(decoded.transaction.verify_with_results())
        except ValueError:
            valid = False
        if not valid:
            raise Rejected("SignatureFailure")

    def airdrop(self, to: Pubkey, lamports: int) -> TransactionRecord:
        """A real transfer from the faucet, in the history like any other."""
        with self.lock:
            # The unit limit makes each airdrop's bytes, and so its signature, unique.
            self.airdrops += 1
            instructions = [
                set_compute_unit_limit(_AIRDROP_UNITS + self.airdrops % _AIRDROP_VARIETY),
                transfer(TransferParams(from_pubkey=self._faucet.pubkey(), to_pubkey=to, lamports=lamports)),
            ]
            blockhash, _ = self.latest_blockhash()
            message = MessageV0.try_compile(self._faucet.pubkey(), instructions, [], blockhash)
            return self.submit(bytes(VersionedTransaction(message, [self._faucet])))

    def advance(self, slots: int = 1) -> int:
        """Moves on by `slots`; returns the slot that is being built."""
        with self.lock:
            self.tick()
            self._clock.advance(slots)
            return self.tick()

    def warp(self, seconds: float) -> None:
        """Opens a new block; its time and that of all later ones is `seconds` later (negative: earlier)."""
        with self.lock:
            self.tick()
            self._clock.warp(seconds)
            self.tick()

    def set_rent(self, lamports_per_byte: int) -> None:
        """Changes the price of storage, as a feature gate does."""
        with self.lock:
            self.rent_lamports_per_byte = lamports_per_byte
            self._svm.set_rent(Rent(lamports_per_byte))

    def minimum_balance(self, size: int) -> int:
        """Lamports that an account of `size` bytes must hold."""
        return self._svm.minimum_balance_for_rent_exemption(size)

    def put_account(self, address: Pubkey, account: Account | None) -> None:
        """Writes an account without a transaction; None removes it."""
        with self.lock:
            self.accounts.put(self.tick(), address, account)

    def load_program(self, program: Pubkey, path: Path) -> None:
        """Deploys an ELF file; OSError where it cannot be read, ValueError where it is not a program."""
        with self.lock:
            self._runtime.programs.load(program, path)
            self.accounts.deployed(program)

    @contextmanager
    def in_this_thread(self) -> Iterator[None]:
        """Runs programs in the calling thread until the block ends: for a server's thread, which does not use the
        registers that they spoil.
        """
        self._runtime.programs.lend_this_thread()
        try:
            yield
        finally:
            self._runtime.programs.take_back_this_thread()

    def retain(self, slots: int) -> None:
        """Also keeps the states of that many slots below the finalized one, for an endpoint that lags."""
        with self.lock:
            self._kept_below_final = max(self._kept_below_final, slots)

    def first_available_slot(self) -> int:
        """The oldest slot whose transactions are kept."""
        return self._first_available

    def land_checked(self, decoded: Decoded, bank_slot: int) -> Simulation | None:
        """Preflight on the bank of `bank_slot`, then `land`. None where it landed; where preflight failed, its
        simulation, and nothing has changed. Raises `Rejected` where no block takes it in spite of preflight.

        Where the bank's state is the newest one, landing itself is the preflight.
        """
        with self.lock:
            if self._same_as_newest(decoded, bank_slot):
                if self._execute_or_undo(decoded):
                    return None
                return self.simulate(decoded, bank_slot)
            simulation = self.simulate(decoded, bank_slot)
            if simulation.err is not None:
                return simulation
            self.land(decoded)
            return None

    def snapshot(self) -> Snapshot:
        """The chain as it is now, to be saved."""
        with self.lock:
            slot = self.tick()
            records = list(self.history.everything())
            return Snapshot(
                config=self.config,
                slot=slot,
                taken_at=time.time(),
                anchors=self._clock.anchors(),
                blockhashes=self._blockhashes.recent(),
                rent_lamports_per_byte=self.rent_lamports_per_byte,
                airdrops=self.airdrops,
                first_available=self._first_available,
                forgotten=self.history.count() - len(records),
                accounts=self.accounts.all(),
                records=records,
                late=list(self._late),
            )

    @classmethod
    def resumed(cls, snapshot: Snapshot, later_by: float = 0.0) -> "Chain":
        """The chain of a snapshot, `later_by` seconds after it was taken. It goes on so many slots later that
        everything in it is final.
        """
        chain = cls(snapshot.config)
        with chain.lock:
            chain._take_up(snapshot, later_by)
        return chain

    def fork(
        self, back_to: Literal["finalized", "confirmed"] | int = "finalized", keep_blockhashes: bool = True
    ) -> list[str]:
        """Removes every block above `back_to` (not below the finalized slot): accounts are as they were, its
        transactions are in no block.

        Slots go on from where they are. A removed transaction may be sent again while its blockhash lives; with
        `keep_blockhashes=False` the hashes of the removed blocks are invalid, as on a real losing fork. Returns the
        removed signatures, oldest first.
        """
        with self.lock:
            self.tick()
            slot = back_to if isinstance(back_to, int) else self.slot_at(back_to)
            if slot < self.slot_at("finalized"):
                raise ValueError("a finalized block is never removed")
            self.accounts.roll_back(slot)
            self._blockhashes.start_branch(slot, forget=not keep_blockhashes)
            return [record.signature for record in self.history.forget_above(slot)]

    def _enter(self, slot: int) -> None:
        self._slot = slot
        self._blockhashes.extend_to(slot)
        self.accounts.prune(self.slot_at("finalized") - self._kept_below_final)
        if self.config.history_slots is not None:
            self._first_available = max(self._first_available, slot - self.config.history_slots)
            self.history.forget_below(self._first_available)
        self._set_runtime_clock()

    def _same_as_newest(self, decoded: Decoded, bank_slot: int) -> bool:
        return (
            self.is_blockhash_valid(decoded.blockhash, bank_slot)
            and self.is_blockhash_valid(decoded.blockhash, self._slot)
            and self.history.get(decoded.signature) is None
            and self.accounts.unchanged_since(bank_slot, decoded.keys)
        )

    def _land_if_possible(self, wire: bytes) -> None:
        try:
            decoded = self.decode(wire)
            self.check_signatures(decoded)
            self.land(decoded)
        except Rejected:
            # It can no longer land, as happens to late transactions. Nobody waits for an answer.
            return

    def _check_age(self, decoded: Decoded, bank_slot: int) -> None:
        if not self.is_blockhash_valid(decoded.blockhash, bank_slot):
            raise Rejected("BlockhashNotFound")
        seen = self.history.get(decoded.signature)
        if seen is not None and seen.slot <= bank_slot:
            raise Rejected("AlreadyProcessed")

    def _execute(self, decoded: Decoded, forced_err: TransactionErrorJson | None) -> TransactionRecord:
        before = {key: self.accounts.newest(key) for key in decoded.keys}
        runtime = self._runtime
        outcome = runtime.run(decoded) if forced_err is None else runtime.fail(decoded, forced_err)
        after = {key: self.accounts.newest(key) for key in decoded.writable}
        if outcome.err is not None and after[decoded.fee_payer] == before[decoded.fee_payer]:
            raise Rejected(outcome.err)
        return self._recorded(decoded, outcome, before, after)

    def _execute_or_undo(self, decoded: Decoded) -> bool:
        before = {key: self.accounts.newest(key) for key in decoded.keys}
        outcome = self._runtime.run(decoded)
        if outcome.err is not None:
            self.accounts.undo(before, decoded.writable)
            return False
        self._recorded(decoded, outcome, before, {key: self.accounts.newest(key) for key in decoded.writable})
        return True

    def _recorded(
        self,
        decoded: Decoded,
        outcome: Outcome,
        before: dict[Pubkey, Account | None],
        after: dict[Pubkey, Account | None],
    ) -> TransactionRecord:
        result = executed(decoded, outcome, before, after, self.accounts.newest)
        record = TransactionRecord(
            slot=self._slot,
            index_in_block=len(self.history.block(self._slot)),
            block_time=self.block_time(self._slot),
            decoded=decoded,
            executed=result,
            memo=memo_of(decoded),
        )
        self.accounts.record(self._slot, before, after)
        self.history.add(record)
        return record

    def _set_runtime_clock(self) -> None:
        self._svm.set_clock(self._clock_of(self._slot))

    def _clock_of(self, slot: int) -> Clock:
        epoch = slot // SLOTS_PER_EPOCH
        epoch_start = self.block_time(max(epoch * SLOTS_PER_EPOCH, self.config.first_slot))
        return Clock(slot, epoch_start, epoch, epoch + 1, self.block_time(slot))

    def _clock_account(self, slot: int) -> Account:
        now = self._svm.get_account(CLOCK_SYSVAR)
        if now is None:
            raise RuntimeError("the runtime has no clock")
        return Account(now.lamports, bytes(self._clock_of(slot)), now.owner, False, now.rent_epoch)

    def _take_up(self, snapshot: Snapshot, later_by: float) -> None:
        slot = snapshot.slot + self.config.finalized_lag + 1
        self.set_rent(snapshot.rent_lamports_per_byte)
        self.airdrops = snapshot.airdrops
        self._first_available = snapshot.first_available
        self._late = list(snapshot.late)
        self._blockhashes.resume(snapshot.blockhashes)
        self._clock.resume(snapshot.anchors, slot, later_by)
        # A program is checked when it is written, so the accounts that it points at come first.
        for address, account in sorted(snapshot.accounts, key=lambda entry: entry[1].executable):
            self.accounts.put(snapshot.slot, address, account)
        self.history.continue_after(snapshot.forgotten)
        for record in snapshot.records:
            self.history.add(record)
        self._enter(slot)

    def _write_genesis(self) -> None:
        system = Pubkey.default()
        self.accounts.put(
            self._slot,
            self._faucet.pubkey(),
            Account(_FAUCET_LAMPORTS, b"", system, False, _RENT_EPOCH_EXEMPT),
        )
        mint = native_mint_bytes()
        self.accounts.put(
            self._slot,
            NATIVE_MINT,
            Account(self.minimum_balance(len(mint)), mint, TOKEN_PROGRAM, False, _RENT_EPOCH_EXEMPT),
        )
        # Genesis is older than any level's bank.
        self.accounts.prune(self._slot)

    def _derived_keypair(self, purpose: str) -> Keypair:
        seed = f"solpay localnet {purpose} {self.config.seed}".encode()
        return Keypair.from_seed(hashlib.sha256(seed).digest())


def _not_executed(err: TransactionErrorJson) -> Executed:
    return Executed(err, 0, (), 0, (), None, (), (), (), ())
