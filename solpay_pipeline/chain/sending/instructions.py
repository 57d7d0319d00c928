"""From planned actions to instructions, and the last check of a message before it is signed.

`lower` builds what a plan asks for. `assert_destinations` knows no plans: it reads a built message and refuses every
instruction that is not one of ours. So a tampered row, a faulty plan or an injected instruction stops here
(`ForbiddenInstruction`) and never reaches a key.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, assert_never

from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0, MessageV1
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from spl.token import instructions as token
from spl.token import models

from solpay_pipeline.chain.reading.addresses import (
    ASSOCIATED_TOKEN_PROGRAM_ID,
    COMPUTE_BUDGET_PROGRAM_ID,
    MEMO_PROGRAM_ID,
    NATIVE_MINTS,
    SYSTEM_PROGRAM_ID,
    TOKEN_2022_PROGRAM_ID,
    TOKEN_PROGRAMS,
    associated_token_address,
)
from solpay_pipeline.chain.rpc.errors import Permanent
from solpay_pipeline.lifecycle.actions import (
    Action,
    CloseAccount,
    HarvestWithheld,
    MoveLamports,
    MoveTokens,
    OpenAccount,
    RecoverNested,
)

MEMO_TEXT: Final = b"solpay sweep"
"""The memo for a destination that demands one; it says nothing about the customer."""

MICRO_LAMPORTS_PER_LAMPORT: Final = 10**6

# First bytes of instruction data, as the programs number them (System: u32 LE; the others: u8).
SYSTEM_TRANSFER: Final = (2).to_bytes(4, "little")
SET_UNIT_LIMIT: Final = 2
SET_UNIT_PRICE: Final = 3
ATA_CREATE_IDEMPOTENT: Final = b"\x01"
ATA_RECOVER_NESTED: Final = b"\x02"
CLOSE_ACCOUNT: Final = b"\x09"
TRANSFER_CHECKED: Final = 12
SYNC_NATIVE: Final = b"\x11"
HARVEST_WITHHELD: Final = b"\x1a\x04"

MOST_RENT: Final = 10_000_000
"""The highest rent of one token account, in lamports: five times what it was before the price of storage fell."""


class ForbiddenInstruction(Permanent):
    """A message does something that no plan of ours asks for. It was not signed."""


def lower(action: Action, owner: Pubkey) -> tuple[Instruction, ...]:
    """The instructions of one action of the wallet `owner`, in the order in which they must stand.

    Wrapped SOL is synced before it moves: lamports sent directly to the account then count as its tokens and do not
    leave with the rent. A memo comes right before its transfer, where Token-2022 looks for it.
    """
    match action:
        case MoveLamports():
            return (
                transfer(
                    TransferParams(from_pubkey=owner, to_pubkey=action.destination, lamports=action.lamports)
                ),
            )
        case MoveTokens():
            return (*_before_transfer(action), _transfer_checked(action, owner))
        case HarvestWithheld():
            return (
                token.harvest_withheld_tokens_to_mint(
                    models.HarvestWithheldTokensToMintParams(
                        program_id=action.program, mint=action.mint, sources=[action.account]
                    )
                ),
            )
        case OpenAccount():
            return (create_ata_idempotent(action.payer, action.owner or owner, action.mint, action.program),)
        case RecoverNested():
            return (
                *_synced(action.mint, action.program, action.account),
                _recover_nested(action, owner),
                *_passed_on(action, owner),
            )
        case CloseAccount() if action.unwraps or action.funds_to is not None:
            # Closing pays out what has come since the account was read, too. It goes to the wallet, from where rent and
            # funds go on, each to its own.
            keys = [_written(action.account), AccountMeta(owner, True, True), AccountMeta(owner, True, True)]
            return (Instruction(action.program, CLOSE_ACCOUNT, keys), *_passed_on(action, owner))
        case CloseAccount():
            keys = [_written(action.account), _written(action.rent_to), AccountMeta(owner, True, False)]
            return (Instruction(action.program, CLOSE_ACCOUNT, keys),)
        case _:
            assert_never(action)


def create_ata_idempotent(payer: Pubkey, owner: Pubkey, mint: Pubkey, program: Pubkey) -> Instruction:
    """Create the ATA of `owner` for `mint`, paid by `payer`; does nothing where it exists."""
    return token.create_idempotent_associated_token_account(payer, owner, mint, program)


def compute_budget(unit_limit: int, unit_price: int) -> tuple[Instruction, ...]:
    """The compute-budget instructions of a version 0 message: a limit in compute units, a price in micro-lamports.

    A price of 0 leaves its instruction out: it saves 8 to 10 bytes, which another wallet can use.
    """
    limit = set_compute_unit_limit(unit_limit)
    return (limit, set_compute_unit_price(unit_price)) if unit_price else (limit,)


def assert_destinations(
    message: MessageV0 | MessageV1,
    *,
    receiver: Pubkey | None,
    fee_payer: Pubkey,
    max_priority_fee_lamports: int = 0,
) -> None:
    """Raise `ForbiddenInstruction` unless every effect of `message` is one that this program may have.

    Lamports go to `receiver` only and tokens to ATAs of it, neither where it is None. An ATA of a wallet may be opened
    where the same message closes it again, or recovers tokens through it out of an ATA that belongs to an ATA of the
    same wallet. Closed accounts pay their rent to `fee_payer`, or to their own wallet, which then passes it on to the
    fee payer, no more than rent can be. The fee payer gives nothing but the fee, at most `max_priority_fee_lamports`
    above the base fee, and the rent of such ATAs and of those that belong to `receiver`; nobody signs who has
    no part (F23 in docs/safety.md#the-fault-table). The allow-list is closed: an instruction that is not known here is
    refused, whatever it does.
    """
    keys = list(message.account_keys)
    if not keys or keys[0] != fee_payer:
        raise ForbiddenInstruction(f"the fee is paid by {keys[0] if keys else 'nobody'}, not by {fee_payer}")
    if isinstance(message, MessageV0) and message.address_table_lookups:
        raise ForbiddenInstruction("accounts are looked up in a table, where they cannot be checked")
    look = _Look(receiver, fee_payer, signers={fee_payer})
    for position, compiled in enumerate(message.instructions):
        try:
            program = keys[compiled.program_id_index]
            accounts = [keys[index] for index in bytes(compiled.accounts)]
        except IndexError:
            raise ForbiddenInstruction(f"instruction {position} names an account that is not there") from None
        try:
            look.at(program, accounts, bytes(compiled.data))
        except ForbiddenInstruction as refused:
            raise ForbiddenInstruction(f"instruction {position}: {refused}") from None
    if look.opened:
        raise ForbiddenInstruction(
            f"creates {next(iter(look.opened))}, which is no ATA of the receiver, and leaves it open"
        )
    if look.unwrapped:
        raise ForbiddenInstruction(
            f"pays the rent of a closed account to {look.unwrapped[0]}, not to the fee payer"
        )
    strangers = set(keys[: message.header.num_required_signatures]) - look.signers
    if strangers:
        raise ForbiddenInstruction(f"asks for the signature of {', '.join(sorted(map(str, strangers)))}")
    priority = (message.config.priority_fee or 0) if isinstance(message, MessageV1) else look.priority_fee()
    if priority > max_priority_fee_lamports:
        raise ForbiddenInstruction(
            f"pays a priority fee of {priority} lamports, more than {max_priority_fee_lamports}"
        )


@dataclass(slots=True)
class _Look:
    """What was seen in one message so far."""

    receiver: Pubkey | None
    fee_payer: Pubkey
    signers: set[Pubkey]
    opened: dict[Pubkey, Pubkey] = field(default_factory=dict)
    """ATAs of wallets that were opened at the fee payer's expense and not closed again, with their owners."""
    unwrapped: list[Pubkey] = field(default_factory=list)
    """Wallets that an account of theirs has paid out to, and that have not yet passed it on."""
    unit_limit: int | None = None
    unit_price: int | None = None

    def at(self, program: Pubkey, accounts: Sequence[Pubkey], content: bytes) -> None:
        """Judge one instruction."""
        if program == SYSTEM_PROGRAM_ID:
            self._system(accounts, content)
        elif program in TOKEN_PROGRAMS:
            self._token(program, accounts, content)
        elif program == ASSOCIATED_TOKEN_PROGRAM_ID:
            self._associated(accounts, content)
        elif program == COMPUTE_BUDGET_PROGRAM_ID:
            self._budget(content)
        elif program != MEMO_PROGRAM_ID:
            raise ForbiddenInstruction(f"calls {program}")

    def priority_fee(self) -> int:
        """Lamports above the base fee, rounded up as the runtime does."""
        if not self.unit_price:
            return 0
        if self.unit_limit is None:
            raise ForbiddenInstruction("sets a price of compute units but no limit")
        return -(-self.unit_price * self.unit_limit // MICRO_LAMPORTS_PER_LAMPORT)

    def _system(self, accounts: Sequence[Pubkey], content: bytes) -> None:
        if len(content) != 12 or content[:4] != SYSTEM_TRANSFER or len(accounts) != 2:
            raise ForbiddenInstruction("is no plain system transfer")
        source, destination = accounts
        self._authority(source)
        is_rent = int.from_bytes(content[4:], "little") <= MOST_RENT
        if destination == self.fee_payer and is_rent and source in self.unwrapped:
            self.unwrapped.remove(source)
        elif destination != self.receiver:
            raise ForbiddenInstruction(f"sends lamports to {destination}, not to the receiver")

    def _token(self, program: Pubkey, accounts: Sequence[Pubkey], content: bytes) -> None:
        if content[:1] == bytes([TRANSFER_CHECKED]) and len(content) == 10 and len(accounts) == 4:
            _source, mint, destination, authority = accounts
            self._authority(authority)
            owner = self.receiver
            if owner is None or destination != associated_token_address(owner, mint, program):
                raise ForbiddenInstruction(f"sends tokens to {destination}, which is no ATA of the receiver")
        elif content == CLOSE_ACCOUNT and len(accounts) == 3:
            account, rent_to, authority = accounts
            self._authority(authority)
            if rent_to == authority:
                self.unwrapped.append(authority)
                if self.opened.get(account) == authority:
                    del self.opened[account]
            elif rent_to != self.fee_payer:
                raise ForbiddenInstruction(
                    f"pays the rent of a closed account to {rent_to}, not to the fee payer"
                )
        elif not _moves_nothing_away(program, accounts, content):
            raise ForbiddenInstruction(f"is an instruction of {program} that is not allowed")

    def _associated(self, accounts: Sequence[Pubkey], content: bytes) -> None:
        if content == ATA_RECOVER_NESTED and len(accounts) == 7:
            self._recovery(accounts)
            return
        if content != ATA_CREATE_IDEMPOTENT or len(accounts) != 6:
            raise ForbiddenInstruction("is neither an idempotent creation of an ATA nor RecoverNested")
        payer, ata, owner, mint, system, program = accounts
        if system != SYSTEM_PROGRAM_ID or program not in TOKEN_PROGRAMS:
            raise ForbiddenInstruction(f"creates an account with {program}")
        if payer != self.fee_payer:
            raise ForbiddenInstruction(f"creates an account at the expense of {payer}")
        if ata != associated_token_address(owner, mint, program):
            raise ForbiddenInstruction(f"creates {ata}, which is no ATA of {owner}")
        if owner != self.receiver:
            self.opened[ata] = owner

    def _recovery(self, accounts: Sequence[Pubkey]) -> None:
        nested, mint, destination, outer, outer_mint, wallet, program = accounts
        self._authority(wallet)
        if program not in TOKEN_PROGRAMS:
            raise ForbiddenInstruction(f"recovers tokens of {program}")
        derived = (
            associated_token_address(outer, mint, program),
            associated_token_address(wallet, mint, program),
            associated_token_address(wallet, outer_mint, program),
        )
        if (nested, destination, outer) != derived:
            raise ForbiddenInstruction(f"recovers {nested}, which is no ATA of an ATA of {wallet}")
        for account in derived:
            self.opened.pop(account, None)
        self.unwrapped.append(wallet)

    def _budget(self, content: bytes) -> None:
        if content[:1] == bytes([SET_UNIT_LIMIT]) and len(content) == 5 and self.unit_limit is None:
            self.unit_limit = int.from_bytes(content[1:], "little")
        elif content[:1] == bytes([SET_UNIT_PRICE]) and len(content) == 9 and self.unit_price is None:
            self.unit_price = int.from_bytes(content[1:], "little")
        else:
            raise ForbiddenInstruction(
                "is a compute-budget instruction that is not allowed, or is there twice"
            )

    def _authority(self, authority: Pubkey) -> None:
        if authority in (self.fee_payer, self.receiver):
            raise ForbiddenInstruction(f"takes from {authority}, which only gives fees or only receives")
        self.signers.add(authority)


def _moves_nothing_away(program: Pubkey, accounts: Sequence[Pubkey], content: bytes) -> bool:
    # Anybody may do both: fees go to their mint, lamports become tokens where they are.
    if content == HARVEST_WITHHELD:
        return program == TOKEN_2022_PROGRAM_ID
    return content == SYNC_NATIVE and len(accounts) == 1


def _synced(mint: Pubkey, program: Pubkey, account: Pubkey) -> list[Instruction]:
    if mint not in NATIVE_MINTS:
        return []
    return [token.sync_native(models.SyncNativeParams(program_id=program, account=account))]


def _passed_on(action: CloseAccount | RecoverNested, owner: Pubkey) -> list[Instruction]:
    """What a closed account has paid out to its wallet goes on: its rent and its funds, each to its own."""
    parts = [(action.rent_to, action.lamports)]
    if action.funds_to is not None:
        parts.append((action.funds_to, action.funds))
    return [
        transfer(TransferParams(from_pubkey=owner, to_pubkey=to, lamports=lamports)) for to, lamports in parts
    ]


def _before_transfer(action: MoveTokens) -> Sequence[Instruction]:
    before = _synced(action.mint, action.program, action.source)
    if action.memo:
        # A memo without a signer has no accounts, which saves a byte and the check.
        before.append(Instruction(MEMO_PROGRAM_ID, MEMO_TEXT, []))
    return before


def _transfer_checked(action: MoveTokens, owner: Pubkey) -> Instruction:
    # spl.token builds the same through pydantic and construct, in ten times the time: a sweep has thousands of these.
    content = bytes([TRANSFER_CHECKED]) + action.amount.to_bytes(8, "little") + bytes([action.decimals])
    keys = [
        _written(action.source),
        AccountMeta(action.mint, False, False),
        _written(action.destination),
        AccountMeta(owner, True, False),
    ]
    return Instruction(action.program, content, keys)


def _recover_nested(action: RecoverNested, owner: Pubkey) -> Instruction:
    """As the program numbers its accounts (solana-program/associated-token-account `interface/src/instruction.rs`)."""
    keys = [
        _written(action.account),
        AccountMeta(action.mint, False, False),
        _written(action.destination),
        AccountMeta(action.outer, False, False),
        AccountMeta(action.outer_mint, False, False),
        AccountMeta(owner, True, True),
        AccountMeta(action.program, False, False),
    ]
    return Instruction(ASSOCIATED_TOKEN_PROGRAM_ID, ATA_RECOVER_NESTED, keys)


def _written(address: Pubkey) -> AccountMeta:
    return AccountMeta(address, False, True)
