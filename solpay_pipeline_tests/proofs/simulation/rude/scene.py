"""What every rude deed is done to, and the few moves that many of them are made of."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from solpay_pipeline.localnet.chain.token_layout import TokenAccount
from solpay_pipeline.localnet.tools.seed import Seed
from solpay_pipeline_tests.proofs.simulation.till import Till, token_accounts
from solpay_pipeline_tests.proofs.simulation.web import WebApplication
from solpay_pipeline_tests.proofs.simulation.world import World

LEAST_LAMPORTS = 1_000_000
"""More than an account must have to exist, at whatever rent there is in a history."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A deed is done to `till`, in the coin `mint` (None for SOL) where one is meant; `percent` of what there is."""

    world: World
    web: WebApplication
    till: Till
    mint: Pubkey | None
    percent: int

    @property
    def house(self) -> Seed:
        """Customers, strangers and issuers, who are all one."""
        return self.world.mint_house

    @property
    def token(self) -> Pubkey | None:
        """The coin that is meant, or one of the payment's; None where it has no token whose mint is there."""
        asked = [self.mint, *self.till.prices, *self.till.asked]
        return next((mint for mint in asked if mint is not None and self.world.has_mint(mint)), None)

    def stranger(self) -> Pubkey:
        """An address that nobody has heard of."""
        return self.world.new_keypair().pubkey()

    def part(self, amount: int) -> int:
        """The percentage of an amount, at least one unit of it."""
        return max(1, amount * self.percent // 100)

    def tokens(self) -> tuple[Pubkey, TokenAccount] | None:
        """A token account of the wallet with something in it, the first by address."""
        found = [
            (address, state)
            for address, state, _ in token_accounts(self.world.chain, self.till.address)
            if state.amount and self.world.has_mint(state.mint)
        ]
        return min(found, key=lambda one: str(one[0]), default=None)


Deed = Callable[[Scene], str]
"""Does something, and says in a sentence what that came to. RuntimeError where the chain refuses it."""


def moved_sol(source: Keypair, to: Pubkey, lamports: int) -> Instruction:
    """Lamports from a wallet whose key somebody has."""
    return transfer(TransferParams(from_pubkey=source.pubkey(), to_pubkey=to, lamports=lamports))


def moved_tokens(
    house: Seed, source: Pubkey, state: TokenAccount, to: Pubkey, amount: int, authority: Pubkey
) -> Instruction:
    """TransferChecked from an account to another one, signed by its owner or by a delegate of the mint."""
    keys = [
        AccountMeta(source, False, True),
        AccountMeta(state.mint, False, False),
        AccountMeta(to, False, True),
        AccountMeta(authority, True, False),
    ]
    content = b"\x0c" + struct.pack("<QB", amount, house._decimals(state.mint))
    return Instruction(house._program_of(state.mint), content, keys)
