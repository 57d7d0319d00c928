"""LiteSVM with what it lacks: the configuration of version 1 transactions (priority fee, compute unit limit) and the
limit on loaded account bytes.

LiteSVM runs a version 1 message but ignores its configuration. So such a message runs as its version 0 twin with a
compute unit limit in front, whose traces are removed from the result; the priority fee is charged before. LiteSVM
checks no signatures here, so the twin needs none of its own.
"""

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from solders.account import Account
from solders.compute_budget import ID as COMPUTE_BUDGET
from solders.instruction import CompiledInstruction
from solders.litesvm import LiteSVM
from solders.message import MessageHeader, MessageV0, MessageV1
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata, InnerInstruction, TransactionMetadata

from solpay_pipeline.localnet.chain.errors import TransactionErrorJson
from solpay_pipeline.localnet.chain.programs import Programs
from solpay_pipeline.localnet.chain.transactions import Decoded

_ACCOUNT_OVERHEAD_BYTES = 64
"""Counted for each loaded account besides its data (SIMD-0186)."""

_UPGRADEABLE_LOADER = Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111")
_LIMIT_INSTRUCTION_UNITS = 150
_LIMIT_INSTRUCTION_LOGS = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a transaction: `fee` in lamports; `accounts` after it, for a successful simulation only."""

    err: TransactionErrorJson | None
    fee: int
    logs: tuple[str, ...] = ()
    compute_units: int = 0
    inner_instructions: tuple[tuple[InnerInstruction, ...], ...] = ()
    return_data: tuple[Pubkey, bytes] | None = None
    accounts: dict[Pubkey, Account] | None = None


class Runtime:
    """Runs or simulates transactions on a LiteSVM."""

    def __init__(self, svm: LiteSVM) -> None:
        self._svm = svm
        self.programs = Programs(svm)

    def run(self, decoded: Decoded) -> Outcome:
        """Executes. After an error the payer has paid the fee where a block would take the transaction; else nothing
        has changed.
        """
        refused = self._refusal(decoded)
        if refused == "MaxLoadedAccountsDataSizeExceeded":
            return replace(self.fail(decoded, refused), logs=(), compute_units=0)
        if refused is not None:
            return Outcome(refused, 0)
        with self._surcharged(decoded, keep=True):
            return self._outcome(decoded, self.programs.send(_runnable(decoded)))

    def simulate(self, decoded: Decoded) -> Outcome:
        """Executes and undoes everything."""
        refused = self._refusal(decoded)
        if refused is not None:
            return Outcome(refused, decoded.fee)
        with self._surcharged(decoded, keep=False):
            simulated = self.programs.simulate(_runnable(decoded))
            if isinstance(simulated, FailedTransactionMetadata):
                return self._outcome(decoded, simulated)
            return self._outcome(decoded, simulated.meta(), dict(simulated.post_accounts()))

    def fail(self, decoded: Decoded, err: TransactionErrorJson) -> Outcome:
        """Lets a transaction fail on chain with this error: the fee is taken, nothing else happens."""
        fee = decoded.fee
        payer = self._svm.get_account(decoded.fee_payer)
        if payer is None or payer.lamports < fee:
            return Outcome("AccountNotFound" if payer is None else "InsufficientFundsForFee", 0)
        seen = self.programs.simulate(_runnable(decoded)).meta()
        self._svm.set_account(decoded.fee_payer, _less(payer, fee))
        return Outcome(err, fee, tuple(seen.logs()), seen.compute_units_consumed())

    def loaded_bytes(self, decoded: Decoded) -> int:
        """Bytes of account data that the transaction loads, as its limit counts them."""
        total = 0
        for key in decoded.keys:
            account = self._svm.get_account(key)
            if account is None:
                continue
            total += len(account.data) + _ACCOUNT_OVERHEAD_BYTES
            if account.executable and account.owner == _UPGRADEABLE_LOADER:
                program = self._svm.get_account(Pubkey(account.data[4:36]))
                total += 0 if program is None else len(program.data) + _ACCOUNT_OVERHEAD_BYTES
        return total

    def _refusal(self, decoded: Decoded) -> TransactionErrorJson | None:
        limit = decoded.loaded_bytes_limit
        if limit == 0:
            return "InvalidLoadedAccountsDataSizeLimit"
        if limit is not None and self.loaded_bytes(decoded) > limit:
            return "MaxLoadedAccountsDataSizeExceeded"
        return None

    @contextmanager
    def _surcharged(self, decoded: Decoded, keep: bool) -> Iterator[None]:
        """Charges the priority fee, which LiteSVM does not; returns it unless the transaction lands."""
        message = decoded.transaction.message
        config = message.config if isinstance(message, MessageV1) else None
        payer = self._svm.get_account(decoded.fee_payer)
        if config is None or not config.priority_fee or payer is None:
            yield
            return
        # A payer that cannot pay the surcharge must not pay the rest either: LiteSVM then refuses by itself.
        charged = _less(payer, min(config.priority_fee, payer.lamports - 1))
        self._svm.set_account(decoded.fee_payer, charged)
        try:
            yield
        finally:
            if not keep or self._svm.get_account(decoded.fee_payer) == charged:
                self._svm.set_account(decoded.fee_payer, payer)

    def _outcome(
        self,
        decoded: Decoded,
        result: TransactionMetadata | FailedTransactionMetadata,
        accounts: dict[Pubkey, Account] | None = None,
    ) -> Outcome:
        failed = isinstance(result, FailedTransactionMetadata)
        metadata = result.meta() if isinstance(result, FailedTransactionMetadata) else result
        err: Any = json.loads(result.to_json())["err"] if failed else None
        returned = metadata.return_data()
        logs, units = tuple(metadata.logs()), metadata.compute_units_consumed()
        groups = tuple(tuple(group) for group in metadata.inner_instructions())
        if _has_twin(decoded):
            logs = logs[_LIMIT_INSTRUCTION_LOGS:]
            units = max(units - _LIMIT_INSTRUCTION_UNITS, 0)
            groups = groups[1:]
            if isinstance(err, dict) and "InstructionError" in err:
                index, cause = err["InstructionError"]
                err = {"InstructionError": [max(index - 1, 0), cause]}
        return Outcome(
            err=err,
            fee=decoded.fee,
            logs=logs,
            compute_units=units,
            inner_instructions=groups,
            return_data=(returned.program_id, bytes(returned.data)) if returned.data else None,
            accounts=accounts,
        )


def _has_twin(decoded: Decoded) -> bool:
    # Compute budget instructions have no effect in version 1. A message with some runs as it is, since a second limit
    # would be refused: the one case where the configuration is not enforced.
    return decoded.version == 1 and COMPUTE_BUDGET not in decoded.static_keys


def _runnable(decoded: Decoded) -> VersionedTransaction:
    message = decoded.transaction.message
    if not isinstance(message, MessageV1) or not _has_twin(decoded):
        return decoded.transaction
    header = message.header
    keys = [*message.account_keys, COMPUTE_BUDGET]
    limit = (message.config.compute_unit_limit or 0) + _LIMIT_INSTRUCTION_UNITS
    twin = MessageV0(
        MessageHeader(
            header.num_required_signatures,
            header.num_readonly_signed_accounts,
            header.num_readonly_unsigned_accounts + 1,
        ),
        keys,
        message.recent_blockhash,
        [CompiledInstruction(len(keys) - 1, b"\x02" + struct.pack("<I", limit), b""), *message.instructions],
        [],
    )
    return VersionedTransaction.populate(twin, decoded.transaction.signatures)


def _less(account: Account, lamports: int) -> Account:
    return Account(
        account.lamports - lamports, account.data, account.owner, account.executable, account.rent_epoch
    )
