"""A local chain to try things on: mints of every kind, wallets with money, each made by real transactions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from solders.account import Account
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, TransferParams, create_account, transfer
from solders.transaction import VersionedTransaction
from spl.token import instructions as token
from spl.token import models

from solpay_pipeline.chain.reading.addresses import (
    SYSTEM_PROGRAM_ID,
    TOKEN_2022_PROGRAM_ID,
    TOKEN_PROGRAM_ID,
    WRAPPED_SOL_MINT,
    associated_token_address,
)
from solpay_pipeline.chain.reading.token_state import parse_mint
from solpay_pipeline.chain.sending.instructions import create_ata_idempotent
from solpay_pipeline.lifecycle.holdings import Mint
from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.chain.history import TransactionRecord

TRANSFER_FEE = 1
MINT_CLOSE_AUTHORITY = 3
DEFAULT_STATE = 6
NON_TRANSFERABLE = 9
PERMANENT_DELEGATE = 12
TRANSFER_HOOK = 14
PAUSABLE = 26
# Bytes of value of the mint extensions above.
MINT_VALUE_BYTES = {1: 108, 3: 32, 6: 1, 9: 0, 12: 32, 14: 64, 26: 33}


@dataclass
class Ground:
    """A chain with a funded fee payer, who is also the authority of every mint."""

    chain: Chain = field(default_factory=lambda: Chain(ChainConfig(clock="manual", first_slot=10_000)))
    fee_payer: Keypair = field(default_factory=lambda: Keypair.from_seed(bytes([7]) * 32))
    receiver: Pubkey = field(default_factory=lambda: Keypair.from_seed(bytes([8]) * 32).pubkey())
    _numbers: count = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.chain.airdrop(self.fee_payer.pubkey(), 10**12)
        self.chain.airdrop(self.receiver, 10**9)

    def keypair(self) -> Keypair:
        """A fresh key, the same in every run."""
        return Keypair.from_seed(next(self._numbers).to_bytes(32, "big"))

    def run(self, instructions: Sequence[Instruction], *signers: Keypair) -> TransactionRecord:
        """Land a transaction paid by the fee payer."""
        self.chain.advance(1)
        message = MessageV0.try_compile(
            self.fee_payer.pubkey(), list(instructions), [], self.chain.latest_blockhash()[0]
        )
        record = self.chain.submit(bytes(VersionedTransaction(message, [self.fee_payer, *signers])))
        assert record.err is None, (record.err, record.executed.logs)
        return record

    def account(self, address: Pubkey) -> Account | None:
        """The newest state of an account."""
        return self.chain.accounts.newest(address)

    def lamports(self, address: Pubkey) -> int:
        """Lamports of an account, 0 without one."""
        account = self.account(address)
        return 0 if account is None else account.lamports

    def tokens(self, address: Pubkey) -> int:
        """Base units in a token account."""
        return int.from_bytes(self.account(address).data[64:72], "little")

    def pay(self, to: Pubkey, lamports: int) -> TransactionRecord:
        """Send lamports from the fee payer."""
        payer = self.fee_payer.pubkey()
        return self.run([transfer(TransferParams(from_pubkey=payer, to_pubkey=to, lamports=lamports))])

    def mint(self, program: Pubkey = TOKEN_PROGRAM_ID, *extensions: int, hook: Pubkey | None = None) -> Mint:
        """A mint of six decimals; a transfer fee is 1 percent, a default state is frozen."""
        key, authority = self.keypair(), self.fee_payer.pubkey()
        size = 166 + sum(4 + MINT_VALUE_BYTES[each] for each in extensions) if extensions else 82
        self.run(
            [
                create_account(
                    CreateAccountParams(
                        from_pubkey=authority,
                        to_pubkey=key.pubkey(),
                        lamports=self.chain.minimum_balance(size),
                        space=size,
                        owner=program,
                    )
                ),
                *(self._initialize(each, key.pubkey(), hook) for each in extensions),
                token.initialize_mint2(
                    models.InitializeMint2Params(
                        decimals=6,
                        program_id=program,
                        mint=key.pubkey(),
                        mint_authority=authority,
                        freeze_authority=authority,
                    )
                ),
            ],
            key,
        )
        return self.read_mint(key.pubkey())

    def read_mint(self, address: Pubkey) -> Mint:
        """The mint as it is now."""
        return parse_mint(address, self.account(address))

    def ata(self, owner: Pubkey, mint: Mint) -> Pubkey:
        """The ATA of `owner`, created where it is missing."""
        self.run([create_ata_idempotent(self.fee_payer.pubkey(), owner, mint.address, mint.program)])
        return associated_token_address(owner, mint.address, mint.program)

    def issue(self, owner: Pubkey, mint: Mint, amount: int) -> Pubkey:
        """Mint `amount` to the ATA of `owner`."""
        ata = self.ata(owner, mint)
        self.mint_to(ata, mint, amount)
        return ata

    def mint_to(self, account: Pubkey, mint: Mint, amount: int) -> None:
        """Mint `amount` into a token account."""
        self.run(
            [
                token.mint_to(
                    models.MintToParams(
                        program_id=mint.program,
                        mint=mint.address,
                        dest=account,
                        mint_authority=self.fee_payer.pubkey(),
                        amount=amount,
                    )
                )
            ]
        )

    def send_tokens(self, source_owner: Keypair, to: Pubkey, mint: Mint, amount: int) -> TransactionRecord:
        """TransferChecked between two ATAs, as a customer does."""
        destination = self.ata(to, mint)
        return self.run(
            [
                token.transfer_checked(
                    models.TransferCheckedParams(
                        program_id=mint.program,
                        source=associated_token_address(source_owner.pubkey(), mint.address, mint.program),
                        mint=mint.address,
                        dest=destination,
                        owner=source_owner.pubkey(),
                        amount=amount,
                        decimals=mint.decimals,
                    )
                )
            ],
            source_owner,
        )

    def wrapped_sol(self, owner: Pubkey, lamports: int, synced: bool = True) -> Pubkey:
        """Wrapped SOL in the ATA of `owner`; without the sync the lamports only lie there."""
        ata = self.ata(owner, self.read_mint(WRAPPED_SOL_MINT))
        self.pay(ata, lamports)
        if synced:
            self.run([token.sync_native(models.SyncNativeParams(program_id=TOKEN_PROGRAM_ID, account=ata))])
        return ata

    def freeze(self, account: Pubkey, mint: Mint) -> None:
        """Freeze a token account by the mint's authority."""
        self.run(
            [
                token.freeze_account(
                    models.FreezeAccountParams(
                        program_id=mint.program,
                        account=account,
                        mint=mint.address,
                        authority=self.fee_payer.pubkey(),
                    )
                )
            ]
        )

    def pause(self, mint: Mint) -> Mint:
        """Pause a pausable mint; returns it as it is then."""
        self.run([self._by_authority(mint.address, bytes([44, 1]))])
        return self.read_mint(mint.address)

    def set_authority(self, account: Pubkey, owner: Keypair, kind: int, to: Pubkey, program: Pubkey) -> None:
        """SetAuthority on a token account: kind 2 gives it away, kind 3 names who may close it."""
        content = bytes([6, kind, 1]) + bytes(to)
        metas = [AccountMeta(account, False, True), AccountMeta(owner.pubkey(), True, False)]
        self.run([Instruction(program, content, metas)], owner)

    def require_memo(self, account: Pubkey, owner: Keypair) -> None:
        """Make a Token-2022 account demand memos, as its owner."""
        self._enable(account, owner, extension=8, instruction=30)

    def guard_cpi(self, account: Pubkey, owner: Keypair) -> None:
        """Turn on the CPI guard of a Token-2022 account."""
        self._enable(account, owner, extension=11, instruction=34)

    def _enable(self, account: Pubkey, owner: Keypair, extension: int, instruction: int) -> None:
        reallocate = Instruction(
            TOKEN_2022_PROGRAM_ID,
            bytes([29]) + extension.to_bytes(2, "little"),
            [
                AccountMeta(account, False, True),
                AccountMeta(self.fee_payer.pubkey(), True, True),
                AccountMeta(SYSTEM_PROGRAM_ID, False, False),
                AccountMeta(owner.pubkey(), True, False),
            ],
        )
        enable = Instruction(
            TOKEN_2022_PROGRAM_ID,
            bytes([instruction, 0]),
            [AccountMeta(account, False, True), AccountMeta(owner.pubkey(), True, False)],
        )
        self.run([reallocate, enable], owner)

    def _initialize(self, extension: int, mint: Pubkey, hook: Pubkey | None) -> Instruction:
        authority = bytes(self.fee_payer.pubkey())
        if extension == TRANSFER_FEE:
            return token.initialize_transfer_fee_config(
                models.InitializeTransferFeeConfigParams(
                    program_id=TOKEN_2022_PROGRAM_ID,
                    mint=mint,
                    transfer_fee_config_authority=self.fee_payer.pubkey(),
                    withdraw_withheld_authority=self.fee_payer.pubkey(),
                    transfer_fee_basis_points=100,
                    maximum_fee=10**12,
                )
            )
        content = {
            MINT_CLOSE_AUTHORITY: bytes([25, 1]) + authority,
            DEFAULT_STATE: bytes([28, 0, 2]),
            NON_TRANSFERABLE: bytes([32]),
            PERMANENT_DELEGATE: bytes([35]) + authority,
            TRANSFER_HOOK: bytes([36, 0]) + authority + (bytes(hook) if hook else bytes(32)),
            PAUSABLE: bytes([44, 0]) + authority,
        }[extension]
        return Instruction(TOKEN_2022_PROGRAM_ID, content, [AccountMeta(mint, False, True)])

    def _by_authority(self, mint: Pubkey, content: bytes) -> Instruction:
        metas = [AccountMeta(mint, False, True), AccountMeta(self.fee_payer.pubkey(), True, False)]
        return Instruction(TOKEN_2022_PROGRAM_ID, content, metas)
