"""Customers, mints and payments for a chain: real transactions, sent in process, with a real history.

Each call lands at once in the current block; RuntimeError with the logs where the chain refuses it.
"""

import hashlib
import struct
from collections.abc import Sequence

from solders.compute_budget import set_compute_unit_limit
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0, MessageV1, TransactionConfig
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, TransferParams, create_account, transfer
from solders.transaction import VersionedTransaction

from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.chain.errors import Rejected
from solpay_pipeline.localnet.chain.token_layout import (
    ACCOUNT_SIZE,
    ATA_PROGRAM,
    NATIVE_MINT,
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    ata_address,
    read_mint,
    read_token_account,
)
from solpay_pipeline.localnet.tools.extensions import check, initialization, mint_bytes

TOKEN = TOKEN_PROGRAM
TOKEN_2022 = TOKEN_2022_PROGRAM

_CUSTOMER_LAMPORTS = 10**15
_UNITS = 400_000
_LOADED_BYTES = 64 * 1024 * 1024
_SYSTEM_PROGRAM = Pubkey.default()
_NO_MAXIMUM = 2**64 - 1


class Seed:
    """A rich customer, who is also the authority of the mints it makes."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        seed = hashlib.sha256(f"solpay localnet customer {chain.config.seed}".encode()).digest()
        self.customer = Keypair.from_seed(seed)
        self._sent = 0
        chain.airdrop(self.customer.pubkey(), _CUSTOMER_LAMPORTS)

    def airdrop(self, to: Pubkey, lamports: int) -> str:
        """Lamports from the faucet; the signature."""
        return self.chain.airdrop(to, lamports).signature

    def create_mint(
        self,
        decimals: int = 6,
        program: Pubkey = TOKEN,
        transfer_fee_basis_points: int | None = None,
        max_fee: int | None = None,
        freezable: bool = True,
        extensions: Sequence[str] = (),
        hook_program: Pubkey | None = None,
    ) -> Pubkey:
        """A new mint under the customer's authority.

        `extensions` of Token-2022: mint_close_authority, default_frozen, non_transferable, interest_bearing,
        scaled_ui_amount (times 2), permanent_delegate, transfer_hook (of `hook_program`; None: switched off), pausable.
        ValueError for one that does not exist, or on the classic program.
        """
        wanted = list(extensions)
        if transfer_fee_basis_points is not None:
            wanted.insert(0, "transfer_fee")
        check(wanted)
        if wanted and program != TOKEN_2022:
            raise ValueError("extensions need the Token-2022 program")
        mint = self._new_keypair()
        authority = self.customer.pubkey()
        fee = (transfer_fee_basis_points or 0, _NO_MAXIMUM if max_fee is None else max_fee)
        contents = [initialization(name, authority, fee, hook_program) for name in wanted]
        freeze = b"\x01" + bytes(authority) if freezable else b"\x00"
        contents.append(bytes([20, decimals]) + bytes(authority) + freeze)
        self.send(
            [
                self._create_account(mint.pubkey(), program, mint_bytes(wanted)),
                *(_on(program, content, [_writable(mint.pubkey())]) for content in contents),
            ],
            [mint],
        )
        return mint.pubkey()

    def set_transfer_fee(self, mint: Pubkey, basis_points: int, max_fee: int = _NO_MAXIMUM) -> str:
        """Changes a mint's transfer fee, from the second epoch after this one (`Chain.advance` goes there)."""
        content = b"\x1a\x05" + struct.pack("<HQ", basis_points, max_fee)
        return self.send([_on(TOKEN_2022, content, [_writable(mint), self._authority()])])

    def ata(self, owner: Pubkey, mint: Pubkey) -> Pubkey:
        """Where the owner's associated token account is or would be."""
        return ata_address(owner, mint, self._program_of(mint))

    def create_ata(self, owner: Pubkey, mint: Pubkey) -> Pubkey:
        """The owner's associated token account, made where it is missing; the customer pays its rent."""
        (account,) = self.create_atas(owner, [mint])
        return account

    def create_atas(self, owner: Pubkey, mints: Sequence[Pubkey]) -> list[Pubkey]:
        """The owner's associated token accounts, the missing ones made in one transaction, as the peer does."""
        accounts = [self.ata(owner, mint) for mint in mints]
        missing = [
            self._create_ata(owner, mint)
            for mint, account in zip(mints, accounts, strict=True)
            if self.chain.accounts.newest(account) is None
        ]
        if missing:
            self.send(missing)
        return accounts

    def create_token_account(self, owner: Pubkey, mint: Pubkey) -> Pubkey:
        """A token account that is not the owner's ATA, for a mint without extensions."""
        account, program = self._new_keypair(), self._program_of(mint)
        keys = [_writable(account.pubkey()), _readonly(mint)]
        initialize = _on(program, b"\x12" + bytes(owner), keys)
        self.send([self._create_account(account.pubkey(), program, ACCOUNT_SIZE), initialize], [account])
        return account.pubkey()

    def require_memo(self, owner: Keypair, mint: Pubkey) -> str:
        """Makes the owner's Token-2022 ATA refuse transfers without a memo before them."""
        account = self.create_ata(owner.pubkey(), mint)
        signer = AccountMeta(owner.pubkey(), True, False)
        payer = AccountMeta(self.customer.pubkey(), True, True)
        keys = [_writable(account), payer, _readonly(_SYSTEM_PROGRAM), signer]
        enlarge = _on(TOKEN_2022, b"\x1d" + struct.pack("<H", 8), keys)
        return self.send([enlarge, _on(TOKEN_2022, b"\x1e\x00", [_writable(account), signer])], [owner])

    def set_close_authority(self, owner: Keypair, mint: Pubkey, authority: Pubkey) -> str:
        """Gives the right to close the owner's ATA to somebody else."""
        account = self.create_ata(owner.pubkey(), mint)
        keys = [_writable(account), AccountMeta(owner.pubkey(), True, False)]
        content = b"\x06\x03\x01" + bytes(authority)
        return self.send([_on(self._program_of(mint), content, keys)], [owner])

    def mint_to(self, owner_or_account: Pubkey, mint: Pubkey, amount: int) -> Pubkey:
        """Mints base units (wraps SOL) to a token account, or to the ATA of an owner. Returns the token account."""
        program = self._program_of(mint)
        account = self._token_account(owner_or_account, mint)
        if mint == NATIVE_MINT:
            sol = TransferParams(from_pubkey=self.customer.pubkey(), to_pubkey=account, lamports=amount)
            self.send([transfer(sol), _on(program, b"\x11", [_writable(account)])])
        else:
            keys = [_writable(mint), _writable(account), self._authority()]
            self.send([_on(program, b"\x07" + struct.pack("<Q", amount), keys)])
        return account

    def freeze(self, account: Pubkey, mint: Pubkey) -> str:
        """Freezes a token account."""
        return self._freeze_or_thaw(10, account, mint)

    def thaw(self, account: Pubkey, mint: Pubkey) -> str:
        """Thaws a token account."""
        return self._freeze_or_thaw(11, account, mint)

    def pause(self, mint: Pubkey) -> str:
        """Pauses a pausable mint."""
        return self.send([_on(TOKEN_2022, b"\x2c\x01", [_writable(mint), self._authority()])])

    def resume(self, mint: Pubkey) -> str:
        """Resumes a paused mint."""
        return self.send([_on(TOKEN_2022, b"\x2c\x02", [_writable(mint), self._authority()])])

    def pay_sol(self, to: Pubkey, lamports: int, version: int = 0) -> str:
        """A customer's transfer of lamports; the signature."""
        moved = TransferParams(from_pubkey=self.customer.pubkey(), to_pubkey=to, lamports=lamports)
        return self.send([transfer(moved)], version=version)

    def pay_token(self, to_owner: Pubkey, mint: Pubkey, amount: int, version: int = 0) -> str:
        """A customer's TransferChecked to the owner's ATA, made where it is missing. Returns the signature."""
        program = self._program_of(mint)
        source = self.create_ata(self.customer.pubkey(), mint)
        if self.token_balance(source) < amount:
            self.mint_to(source, mint, amount)
        destination = self.create_ata(to_owner, mint)
        content = b"\x0c" + struct.pack("<QB", amount, self._decimals(mint))
        keys = [_writable(source), _readonly(mint), _writable(destination), self._authority()]
        return self.send([_on(program, content, keys)], version=version)

    def close_ata(self, owner: Keypair, mint: Pubkey, rent_to: Pubkey | None = None) -> str:
        """Closes an owner's empty ATA, as the peer or the owner would; rent goes to `rent_to` or the customer."""
        account = self.ata(owner.pubkey(), mint)
        destination = rent_to or self.customer.pubkey()
        keys = [_writable(account), _writable(destination), AccountMeta(owner.pubkey(), True, False)]
        return self.send([_on(self._program_of(mint), b"\x09", keys)], [owner])

    def token_balance(self, account: Pubkey) -> int:
        """Base units in a token account now; 0 where there is none."""
        found = self.chain.accounts.newest(account)
        state = None if found is None else read_token_account(found.owner, found.data)
        return 0 if state is None else state.amount

    def lamports(self, address: Pubkey) -> int:
        """Lamports at an address now."""
        found = self.chain.accounts.newest(address)
        return 0 if found is None else found.lamports

    def send(
        self, instructions: Sequence[Instruction], signers: Sequence[Keypair] = (), version: int = 0
    ) -> str:
        """Lands a transaction that the customer pays for; RuntimeError with the logs where it fails."""
        with self.chain.lock:
            wire = self._wire(instructions, signers, version)
            try:
                record = self.chain.submit(wire)
            except Rejected as rejected:
                raise RuntimeError(f"the chain refused a seed transaction: {rejected}") from rejected
        if record.err is not None:
            raise RuntimeError(f"a seed transaction failed: {record.err}\n" + "\n".join(record.executed.logs))
        return record.signature

    def _wire(self, instructions: Sequence[Instruction], signers: Sequence[Keypair], version: int) -> bytes:
        # A different unit limit makes each transaction's bytes, and so its signature, unique within one blockhash.
        self._sent += 1
        units = _UNITS + self._sent % 900_000
        blockhash, _ = self.chain.latest_blockhash()
        payer = self.customer.pubkey()
        if version == 1:
            config = TransactionConfig(
                compute_unit_limit=units, loaded_accounts_data_size_limit=_LOADED_BYTES
            )
            message: MessageV0 | MessageV1 = MessageV1.try_compile(
                payer, list(instructions), blockhash, config
            )
        else:
            budgeted = [set_compute_unit_limit(units), *instructions]
            message = MessageV0.try_compile(payer, budgeted, [], blockhash)
        return bytes(VersionedTransaction(message, [self.customer, *signers]))

    def _create_account(self, address: Pubkey, program: Pubkey, size: int) -> Instruction:
        return create_account(
            CreateAccountParams(
                from_pubkey=self.customer.pubkey(),
                to_pubkey=address,
                lamports=self.chain.minimum_balance(size),
                space=size,
                owner=program,
            )
        )

    def _new_keypair(self) -> Keypair:
        while True:
            self._sent += 1
            made = Keypair.from_seed(
                hashlib.sha256(bytes(self.customer) + self._sent.to_bytes(8, "little")).digest()
            )
            # On a chain from a file an earlier seed may have made it.
            if self.chain.accounts.newest(made.pubkey()) is None:
                return made

    def _token_account(self, owner_or_account: Pubkey, mint: Pubkey) -> Pubkey:
        found = self.chain.accounts.newest(owner_or_account)
        if found is not None and read_token_account(found.owner, found.data) is not None:
            return owner_or_account
        return self.create_ata(owner_or_account, mint)

    def _create_ata(self, owner: Pubkey, mint: Pubkey) -> Instruction:
        program = self._program_of(mint)
        keys = [
            AccountMeta(self.customer.pubkey(), True, True),
            _writable(ata_address(owner, mint, program)),
            _readonly(owner),
            _readonly(mint),
            _readonly(_SYSTEM_PROGRAM),
            _readonly(program),
        ]
        return Instruction(ATA_PROGRAM, b"\x01", keys)

    def _freeze_or_thaw(self, kind: int, account: Pubkey, mint: Pubkey) -> str:
        keys = [_writable(account), _readonly(mint), self._authority()]
        return self.send([_on(self._program_of(mint), bytes([kind]), keys)])

    def _authority(self) -> AccountMeta:
        return AccountMeta(self.customer.pubkey(), True, False)

    def _program_of(self, mint: Pubkey) -> Pubkey:
        found = self.chain.accounts.newest(mint)
        if found is None:
            raise ValueError(f"there is no mint {mint}")
        return found.owner

    def _decimals(self, mint: Pubkey) -> int:
        found = self.chain.accounts.newest(mint)
        state = None if found is None else read_mint(found.owner, found.data)
        if state is None:
            raise ValueError(f"{mint} is no mint")
        return state.decimals


def _on(program: Pubkey, content: bytes, keys: list[AccountMeta]) -> Instruction:
    return Instruction(program, content, keys)


def _writable(address: Pubkey) -> AccountMeta:
    return AccountMeta(address, False, True)


def _readonly(address: Pubkey) -> AccountMeta:
    return AccountMeta(address, False, False)
