"""A shop, its chain and its nodes, made from a seed: everything that a history changes."""

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from cryptography.fernet import Fernet, MultiFernet
from pydantic import SecretStr
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc.client import Endpoint, Rpc, RpcOptions
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT
from solpay_pipeline.localnet.server.faults import Faults
from solpay_pipeline.localnet.server.node import Node
from solpay_pipeline.localnet.tools.seed import TOKEN, TOKEN_2022, Seed
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.records.vault import WalletVault
from solpay_pipeline.settings.secret import SecretKeypair
from solpay_pipeline.testing.writing import add_payment, add_token
from solpay_pipeline_tests.simulation.clock import VirtualLoop
from solpay_pipeline_tests.simulation.database import Database
from solpay_pipeline_tests.simulation.process import task_factory
from solpay_pipeline_tests.simulation.till import Account, Till
from solpay_pipeline_tests.simulation.wire import Network

SOL = 10**9
GENESIS_TIME = 1_795_000_000
"""The first block's time: in November 2026. The same in every history, so that a seed is all there is to say."""

FEE_PAYER_LAMPORTS = 10 * SOL
HOSTS = ("one", "two")


@dataclass(frozen=True, slots=True)
class Coin:
    """A kind of token that the shop takes. `price` is in whole tokens."""

    name: str
    price: str
    decimals: int
    program: Pubkey = TOKEN
    fee_basis_points: int | None = None
    extensions: tuple[str, ...] = ()
    made: Pubkey | None = None
    """Its mint, where it exists from the beginning."""


COINS = (
    Coin("classic", "5", 6),
    Coin("whole", "3", 0),
    Coin("taxed", "5", 6, TOKEN_2022, fee_basis_points=100),
    Coin("modern", "2.5", 9, TOKEN_2022),
    Coin("closable", "5", 6, TOKEN_2022, extensions=("mint_close_authority", "interest_bearing")),
    Coin("wrapped SOL", "0.2", 9, made=NATIVE_MINT),
)


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

    def __init__(self, seed: int, database: Database, on_send: Callable[[str], None]) -> None:
        self.seed = seed
        self.dice = random.Random(f"world {seed}")
        self.database = database
        database.empty()
        self.loop = VirtualLoop()
        self.loop.set_task_factory(task_factory)
        self.tally: Counter[str] = Counter()
        self.tills: list[Till] = []
        self.spam: list[Pubkey] = []
        self.clock_skew = 0.0
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
        self.coins: dict[Pubkey | None, Coin] = {}
        self.taxes: dict[Pubkey | None, int] = {}
        self.token_ids: dict[Pubkey | None, int] = {}
        self.deployment = self._merchant()
        self._open()

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
        keypair = self.new_keypair()
        mints = [mint for place, mint in enumerate(self.coins) if coins >> place & 1] or list(self.coins)
        created = self.chain_time()
        options = {self.token_ids[mint]: Decimal(self.coins[mint].price) for mint in mints}
        with self.deployment.engine.begin() as connection:
            payment_id = add_payment(
                connection,
                self.deployment.tables,
                self.deployment.vault,
                keypair,
                options=options,
                created=datetime.fromtimestamp(created, UTC),
                expires=datetime.fromtimestamp(created + lasts, UTC),
            )
        row = self.database.rows(
            f"SELECT one_time_payment_wallet_id AS id FROM {self.deployment.tables.payment.name} WHERE id = ?",
            payment_id,
        )[0]
        till = Till(
            len(self.tills) + 1,
            payment_id,
            row["id"],
            keypair,
            {mint: self.units(mint) for mint in mints},
            {mint: self.token_ids[mint] for mint in mints},
            created + lasts,
        )
        self.tills.append(till)
        for mint in mints:
            if mint is not None:
                self.mint_house.create_ata(keypair.pubkey(), mint)
        self.tally["payments"] += 1
        return till

    def units(self, mint: Pubkey | None) -> int:
        """A coin's price in base units."""
        coin = self.coins[mint]
        return int(Decimal(coin.price).scaleb(coin.decimals))

    def coins_program(self, mint: Pubkey) -> Pubkey:
        """The token program of a mint."""
        found = self.chain.accounts.newest(mint)
        if found is None:
            raise ValueError(f"there is no mint {mint}")
        return found.owner

    def new_keypair(self) -> Keypair:
        """The next key of this history."""
        self._keys += 1
        return Keypair.from_seed(hashlib.sha256(f"{self.seed} {self._keys}".encode()).digest())

    def new_fernet_key(self) -> str:
        """A wallet key."""
        return Fernet.generate_key().decode()

    def opened(self, sealed: str) -> Keypair:
        """What is under one of the keys that the merchant still has."""
        fernets = MultiFernet([Fernet(key) for key in self.wallet_keys])
        return Keypair.from_json(fernets.decrypt(sealed.encode()).decode())

    def set_keys(self, keys: list[str]) -> None:
        """What SOLPAY_WALLET_KEYS says from now on, to whoever starts."""
        self.wallet_keys = keys
        self.deployment = self._merchant()

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
        endpoints = [Endpoint(SecretStr(f"http://{host}/")) for host in HOSTS[: self.habits.endpoints]]

        def open_rpc(sleep: float) -> Rpc:
            return Rpc(
                endpoints,
                RpcOptions(sleep=sleep, retry_window_seconds=20.0),
                clock=self.loop.time,
                sleep=asyncio.sleep,
            )

        return Deployment(
            engine=self.database.engine,
            tables=self.database.tables,
            vault=WalletVault([SecretStr(key) for key in self.wallet_keys], encrypted=True),
            fee_payer=SecretKeypair(self.fee_payer),
            receiver=self.receiver,
            cluster="localnet",
            open_rpc=open_rpc,
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
        self.coins[None] = Coin("SOL", "0.1", 9)
        for coin in chosen:
            mint = coin.made or house.create_mint(
                decimals=coin.decimals,
                program=coin.program,
                transfer_fee_basis_points=coin.fee_basis_points,
                extensions=coin.extensions,
            )
            self.coins[mint] = coin
            if coin.fee_basis_points is not None:
                # The highest there has been; what a customer has to add, and what may go missing on the way home.
                self.taxes[mint] = coin.fee_basis_points
        with self.deployment.engine.begin() as connection:
            for asked, coin in self.coins.items():
                self.token_ids[asked] = add_token(
                    connection,
                    self.deployment.tables,
                    mint=None if asked is None else str(asked),
                    price=Decimal(coin.price),
                    name=coin.name,
                    symbol=coin.name,
                )
        self.finalize()
