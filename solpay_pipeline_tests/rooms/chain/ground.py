"""A local chain to try things on: `localnet`'s `Seed` with fixed keys, a slot for each transaction, and our own types."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from solders.account import Account
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
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
from solpay_pipeline.lifecycle.holdings import Mint
from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.chain.history import TransactionRecord
from solpay_pipeline.localnet.tools.seed import Seed

TRANSFER_FEE = "transfer_fee"
MINT_CLOSE_AUTHORITY = "mint_close_authority"
DEFAULT_STATE = "default_frozen"
NON_TRANSFERABLE = "non_transferable"
PERMANENT_DELEGATE = "permanent_delegate"
TRANSFER_HOOK = "transfer_hook"
PAUSABLE = "pausable"


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
        self._seed = Seed(self.chain)
        self._seed.customer = self.fee_payer

    @property
    def seed(self) -> Seed:
        """What makes transactions, in a slot of its own."""
        self.chain.advance(1)
        return self._seed

    def keypair(self) -> Keypair:
        """A fresh key, the same in every run."""
        return Keypair.from_seed(next(self._numbers).to_bytes(32, "big"))

    def run(self, instructions: Sequence[Instruction], *signers: Keypair) -> TransactionRecord:
        """Land a transaction paid by the fee payer."""
        return self._landed(self.seed.send(instructions, signers))

    def account(self, address: Pubkey) -> Account | None:
        """The newest state of an account."""
        return self.chain.accounts.newest(address)

    def lamports(self, address: Pubkey) -> int:
        """Lamports of an account, 0 without one."""
        return self._seed.lamports(address)

    def tokens(self, address: Pubkey) -> int:
        """Base units in a token account."""
        return self._seed.token_balance(address)

    def pay(self, to: Pubkey, lamports: int) -> TransactionRecord:
        """Send lamports from the fee payer."""
        return self._landed(self.seed.pay_sol(to, lamports))

    def mint(self, program: Pubkey = TOKEN_PROGRAM_ID, *extensions: str, hook: Pubkey | None = None) -> Mint:
        """A mint of six decimals; a transfer fee is 1 percent, a default state is frozen."""
        fee = 100 if TRANSFER_FEE in extensions else None
        others = [each for each in extensions if each != TRANSFER_FEE]
        return self.read_mint(
            self.seed.create_mint(6, program, fee, 10**12, extensions=others, hook_program=hook)
        )

    def read_mint(self, address: Pubkey) -> Mint:
        """The mint as it is now."""
        return parse_mint(address, self.account(address))

    def ata(self, owner: Pubkey, mint: Mint) -> Pubkey:
        """The ATA of `owner`, created where it is missing."""
        return self.seed.create_ata(owner, mint.address)

    def issue(self, owner: Pubkey, mint: Mint, amount: int) -> Pubkey:
        """Mint `amount` to the ATA of `owner`."""
        ata = self.ata(owner, mint)
        self.mint_to(ata, mint, amount)
        return ata

    def mint_to(self, account: Pubkey, mint: Mint, amount: int) -> None:
        """Mint `amount` into a token account."""
        self.seed.mint_to(account, mint.address, amount)

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
        self.seed.freeze(account, mint.address)

    def pause(self, mint: Mint) -> Mint:
        """Pause a pausable mint; returns it as it is then."""
        self.seed.pause(mint.address)
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
        written, signer = AccountMeta(account, False, True), AccountMeta(owner.pubkey(), True, False)
        payer = AccountMeta(self.fee_payer.pubkey(), True, True)
        system = AccountMeta(SYSTEM_PROGRAM_ID, False, False)
        content = bytes([29]) + extension.to_bytes(2, "little")
        reallocate = Instruction(TOKEN_2022_PROGRAM_ID, content, [written, payer, system, signer])
        enable = Instruction(TOKEN_2022_PROGRAM_ID, bytes([instruction, 0]), [written, signer])
        self.run([reallocate, enable], owner)

    def _landed(self, signature: str) -> TransactionRecord:
        record = self.chain.history.get(signature)
        assert record is not None
        return record
