"""A shop, its chain and its nodes, made from a seed: everything that a history changes."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from pydantic import SecretStr
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc.client import RpcOptions
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT
from solpay_pipeline.localnet.server.faults import Faults
from solpay_pipeline.localnet.server.node import Node
from solpay_pipeline.localnet.tools.seed import TOKEN, TOKEN_2022, Seed
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.records.vault import WalletVault
from solpay_pipeline.settings.secret import SecretKeypair
from solpay_pipeline.testing.keys import Keys
from solpay_pipeline.testing.shop import FEE_PAYER_LAMPORTS, Customer, Shop, asking
from solpay_pipeline.testing.tokens import Token
from solpay_pipeline_tests.proofs.simulation.clock import VirtualLoop
from solpay_pipeline_tests.proofs.simulation.database import Database
from solpay_pipeline_tests.proofs.simulation.process import task_factory
from solpay_pipeline_tests.proofs.simulation.rude.kinds import ALL_ON, Kind
from solpay_pipeline_tests.proofs.simulation.till import Account, Till, Version
from solpay_pipeline_tests.proofs.simulation.wire import Network

SOL = 10**9
GENESIS_TIME = 1_795_000_000
"""The first block's time: in November 2026. The same in every history, so that a seed is all there is to say."""

HOSTS = ("one", "two")


COINS: tuple[tuple[str, str, dict[str, Any] | None], ...] = (
    ("classic", "5", {}),
    ("whole", "3", {"decimals": 0}),
    ("taxed", "5", {"program": TOKEN_2022, "transfer_fee_basis_points": 100}),
    ("modern", "2.5", {"program": TOKEN_2022, "decimals": 9}),
    ("closable", "5", {"program": TOKEN_2022, "extensions": ("mint_close_authority", "interest_bearing")}),
    ("wrapped SOL", "0.2", None),
)
"""Names, prices in whole tokens, and how their mints are made; wrapped SOL has one from the beginning."""


REVOCABLE: tuple[str, str, dict[str, Any] | None] = (
    "revocable",
    "5",
    {"program": TOKEN_2022, "extensions": ("permanent_delegate", "pausable")},
)
"""What every shop takes beside the others where issuers are rude."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How this merchant has set up the pipeline, drawn from the seed."""

    commitment: Commitment
    acceptance: Commitment
    version: int
    max_priority_fee: int
    endpoints: int
    receiver_exists: bool


class World:
    """One history's world. The database is borrowed, emptied before and left as it is after."""

    def __init__(
        self, seed: int, database: Database, on_send: Callable[[str], None], kinds: Set[Kind] = ALL_ON
    ) -> None:
        self.seed = seed
        self.kinds = kinds
        self.dice = random.Random(f"world {seed}")
        self.database = database
        database.empty()
        self.loop = VirtualLoop()
        self.loop.set_task_factory(task_factory)
        self.tally: Counter[str] = Counter()
        self.tills: list[Till] = []
        self.spam: list[Pubkey] = []
        self.hidden: set[Pubkey] = set()
        self.clock_skew = 0.0
        self.worst_skew = 0.0
        self._keys = 0
        config = ChainConfig(slot_seconds=0.4, genesis_time=GENESIS_TIME, seed=seed)
        self.chain = Chain(config, monotonic=self.loop.time)
        self.mint_house = Seed(self.chain)
        self.account = Account(self.chain)
        self.nodes = {host: Node(self.chain, Faults(seed)) for host in HOSTS}
        self.network = Network(self.nodes, on_send)
        self.habits = self._habits()
        self.fee_payer = self.new_keypair()
        self.receiver = self.new_keypair().pubkey()
        self.wallet_keys = [self.new_fernet_key()]
        self.taxes: dict[Pubkey | None, int] = {}
        node, file = self.nodes[HOSTS[0]], "the simulation's own"
        self.shop = Shop(node, self.mint_house, self._merchant(), self.fee_payer, self.wallet_keys[0], file)
        self._open()

    @property
    def deployment(self) -> Deployment:
        """Whom the operations work for."""
        return self.shop.deployment

    @property
    def coins(self) -> dict[Pubkey | None, Token]:
        """What the shop takes."""
        return self.shop.tokens

    # -- time ---------------------------------------------------------------------------------------------------

    def unix_time(self) -> float:
        """What a good clock on the wall says."""
        return GENESIS_TIME + self.loop.time()

    def now(self) -> datetime:
        """What the merchant's own clock says."""
        return datetime.fromtimestamp(self.unix_time() + self.clock_skew, UTC)

    def chain_time(self, slot: int | None = None) -> int:
        """Unix seconds of a block, or of the newest."""
        return self.chain.block_time(self.chain.tick() if slot is None else slot)

    def finalize(self) -> None:
        """All that has happened is final from here on."""
        self.loop.pass_time((self.chain.config.finalized_lag + 2) * self.chain.config.slot_seconds)
        self.chain.tick()

    # -- the shop -----------------------------------------------------------------------------------------------

    def new_payment(self, coins: int, lasts: int) -> Till:
        """A payment as the shop makes it: a fresh key, prices, and an account for every token; `coins` is a mask."""
        offered = self.offered
        mints = [mint for place, mint in enumerate(offered) if coins >> place & 1] or offered
        made = self.shop.new_payment(
            {mint: self.coins[mint].price for mint in mints},
            lasts=timedelta(seconds=lasts),
            keypair=self.new_keypair(),
        )
        return self._with(made, lasts)

    def second_payment(self, first: Till) -> Till:
        """A payment and a wallet's row with the key of another one, asking for what that one asks for."""
        prices = {mint: self.coins[mint].price for mint in first.prices if mint in self.offered}
        lasts = max(60, first.expires - self.chain_time())
        made = self.shop.new_payment(
            prices or {None: self.coins[None].price},
            lasts=timedelta(seconds=lasts),
            keypair=first.keypair,
            with_accounts=False,
        )
        return self._with(made, lasts)

    def _with(self, made: Customer, lasts: int) -> Till:
        till = Till(
            len(self.tills) + 1,
            made.payment_id,
            made.wallet_id,
            made.keypair,
            [Version(made.prices, self.chain_time() + lasts, self.chain_time())],
        )
        self.tills.append(till)
        self.tally["payments"] += 1
        return till

    @property
    def offered(self) -> list[Pubkey | None]:
        """The coins that a payment can be opened in: those that a row names and whose mint is there."""
        return [mint for mint, coin in self.coins.items() if coin.row_id is not None and self.has_mint(mint)]

    def has_mint(self, mint: Pubkey | None) -> bool:
        """Whether a coin can be paid in at all: an issuer may have closed its mint."""
        return mint is None or self.chain.accounts.newest(mint) is not None

    def is_classic(self, mint: Pubkey | None) -> bool:
        """Whether a coin is a token of the first token program, which has no extensions; not wrapped SOL."""
        return mint is not None and mint != NATIVE_MINT and self.coins[mint].program == TOKEN

    def symbol(self, mint: Pubkey | None) -> str:
        """What people call a coin."""
        return self.coins[mint].symbol if mint in self.coins else str(mint)

    def renames(self, mint: Pubkey, other: Pubkey) -> None:
        """A token's row names another mint from now on."""
        coin = self.coins[mint]
        self.coins[mint] = replace(coin, row_id=None)
        self.coins[other] = replace(coin, mint=other)

    def state(self, till: Till) -> str:
        """The state of a payment's wallet now."""
        wallet = self.deployment.tables.wallet.name
        return str(self.database.rows(f"SELECT state FROM {wallet} WHERE id = ?", till.wallet_id)[0][0])

    def units(self, mint: Pubkey | None) -> int:
        """A coin's price in base units."""
        return self.coins[mint].units(self.coins[mint].price)

    def new_keypair(self) -> Keypair:
        """The next key of this history."""
        self._keys += 1
        return Keys(str(self.seed)).keypair(str(self._keys))

    def new_fernet_key(self) -> str:
        """A wallet key."""
        return Keys().fernet("wallet key")

    def opened(self, sealed: str) -> Keypair:
        """What is under one of the keys that the merchant still has."""
        fernets = MultiFernet([Fernet(key) for key in self.wallet_keys])
        return Keypair.from_json(fernets.decrypt(sealed.encode()).decode())

    def set_keys(self, keys: list[str]) -> None:
        """What SOLPAY_WALLET_KEYS says from now on, to whoever starts."""
        self.wallet_keys = keys
        self.shop.deployment = self._merchant()

    def _habits(self) -> Habits:
        dice = self.dice
        return Habits(
            commitment=dice.choice([Commitment.CONFIRMED] * 5 + [Commitment.FINALIZED]),
            acceptance=dice.choice([Commitment.CONFIRMED] * 3 + [Commitment.FINALIZED]),
            version=dice.choice([0, 0, 1]),
            max_priority_fee=dice.choice([0, 0, 10_000]),
            endpoints=dice.choice([1, 2, 2]),
            receiver_exists=dice.random() < 0.9,
        )

    def _merchant(self) -> Deployment:
        urls = [f"http://{host}/" for host in HOSTS[: self.habits.endpoints]]
        patience = RpcOptions(retry_window_seconds=20.0)
        return Deployment(
            engine=self.database.engine,
            tables=self.database.tables,
            vault=WalletVault([SecretStr(key) for key in self.wallet_keys], encrypted=True),
            fee_payer=SecretKeypair(self.fee_payer),
            receiver=self.receiver,
            cluster="localnet",
            open_rpc=asking(urls, patience, clock=self.loop.time, sleep=asyncio.sleep),
            commitment=self.habits.commitment,
            acceptance=self.habits.acceptance,
            transaction_version=self.habits.version,
            max_priority_fee=self.habits.max_priority_fee,
            clock=self.now,
        )

    def _open(self) -> None:
        """The chain and the shop before the first customer comes."""
        house = self.mint_house
        house.airdrop(self.fee_payer.pubkey(), FEE_PAYER_LAMPORTS)
        if self.habits.receiver_exists:
            house.airdrop(self.receiver, SOL)
        chosen = self.dice.sample(COINS, k=self.dice.choice([1, 2, 2, 3]))
        self.shop.accept_token(None, "0.1", "SOL")
        if self.kinds & {Kind.ISSUERS, Kind.TAKEN_BACK}:
            chosen.append(REVOCABLE)
        for name, price, how in chosen:
            mint = NATIVE_MINT if how is None else house.create_mint(**how)
            self.shop.accept_token(mint, price, name)
            if how and "transfer_fee_basis_points" in how:
                # The highest there has been; what a customer has to add, and what may go missing on the way home.
                self.taxes[mint] = how["transfer_fee_basis_points"]
        self.finalize()
