"""The unmodified peer and we, on one database: each reads what the other writes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.base.database import open_engine, reading
from solpay_pipeline.lifecycle.terms import PaymentStatus, Wallet, WalletState
from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline.localnet.tools.seed import Seed
from solpay_pipeline.records.queries import sealed_keypairs, wallets_page
from solpay_pipeline.records.schema import create_peer_tables
from solpay_pipeline.records.tables import PeerTables, peer_tables
from solpay_pipeline.records.vault import WalletVault
from solpay_pipeline_tests.beside_the_peer.peer.kit import EXPIRE, RECHECK, RECLAIM, SWEEP, Peer
from solpay_pipeline_tests.rooms.records.conftest import furnished
from solpay_pipeline_tests.rooms.records.test_schema import peer_at

SOL_PRICE, USDC_PRICE = "0.123456789", "1234567.654321"
OWN_MODEL = {
    "apps": ("solpay_pipeline_tests.beside_the_peer.peer.shop",),
    "models": {"SOLANA_PAYMENT_MODEL": "shop.ShopOrder"},
}


@dataclass(frozen=True)
class Market:
    """A chain with a USDC mint and a fee payer who can pay for what the peer makes on it."""

    seed: Seed
    rpc_url: str
    mint: Pubkey
    fee_payer: Keypair

    def peer(self, database_url: str, wallet_key: str | None, **more: object) -> Peer:
        """The peer with its tables, a SOL token and a USDC token."""
        peer = Peer(
            database_url=database_url,
            receiver=str(Keypair().pubkey()),
            fee_payer=self.fee_payer.to_json(),
            rpc_url=self.rpc_url,
            wallet_key=wallet_key,
            **more,  # type: ignore[arg-type]
        )
        peer.set_up(native_price=SOL_PRICE, spl_prices={str(self.mint): USDC_PRICE})
        return peer


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    chain = Chain(ChainConfig(slot_seconds=0.05))
    seed = Seed(chain)
    fee_payer = Keypair()
    seed.airdrop(fee_payer.pubkey(), 10**10)
    with running(chain) as node:
        yield Market(seed, node.url, seed.create_mint(decimals=6), fee_payer)


def wallets(database_url: str, tables: PeerTables) -> list[Wallet]:
    engine = open_engine(database_url)
    with reading(engine) as connection:
        page = wallets_page(connection, tables, states=tuple(WalletState), after_wallet_id=0, limit=100)
    engine.dispose()
    assert all(isinstance(each, Wallet) for each in page), page
    return [each for each in page if isinstance(each, Wallet)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encrypted", "own_model"),
    [
        pytest.param(True, False, id="encrypted, the peer's model"),
        pytest.param(False, True, id="plain, a model of the merchant's"),
    ],
)
def test_a_payment_made_by_the_peers_own_service_is_read_by_us_with_its_exact_prices(
    market: Market, database_url: str, encrypted: bool, own_model: bool
) -> None:
    key = Fernet.generate_key().decode() if encrypted else None
    peer = market.peer(database_url, key, **(OWN_MODEL if own_model else {}))
    made = peer.create_payments(2)

    tables = peer_tables("shop_shoporder") if own_model else peer_tables()
    read = wallets(database_url, tables)
    assert [wallet.id for wallet in read] == [payment["wallet_id"] for payment in made]
    for wallet, payment in zip(read, made, strict=True):
        ours = wallet.payment
        assert ours is not None
        assert wallet.state is WalletState.CREATED
        assert (ours.id, str(ours.address)) == (payment["id"], payment["address"])
        assert ours.status is PaymentStatus.INITIATED
        assert ours.created_at == datetime.fromisoformat(payment["created"])
        assert ours.expires_at == datetime.fromisoformat(payment["expires"])
        assert [(option.mint, option.price) for option in ours.options] == [
            (None, Decimal(SOL_PRICE)),
            (market.mint, Decimal(USDC_PRICE)),
        ]
        assert [option.base_units(6) for option in ours.options][1] == 1_234_567_654_321
        assert {str(option.token_id): str(option.price) for option in ours.options} == payment["prices"]

    engine = open_engine(database_url)
    vault = WalletVault([key] if key else [], encrypted=encrypted)
    with reading(engine) as connection:
        sealed = sealed_keypairs(connection, tables, [wallet.id for wallet in read])
    for wallet in read:
        assert wallet.payment is not None
        assert vault.open(sealed[wallet.id], wallet.payment.address).pubkey() == wallet.payment.address
    engine.dispose()


def test_a_payment_written_by_us_is_one_of_the_peers_own(database_url: str) -> None:
    engine = open_engine(database_url)
    create_peer_tables(engine, peer_tables())
    shop = furnished(engine, peer_tables())
    keypair, key = Keypair(), Fernet.generate_key().decode()
    vault = WalletVault([key], encrypted=True)
    payment_id = type(shop)(engine, shop.tables, vault, shop.sol, shop.usdc).add(keypair=keypair)
    peer = peer_at(database_url, wallet_key=key)
    [payment] = peer.states()["payments"]
    assert payment["id"] == payment_id
    assert payment["address"] == str(keypair.pubkey())
    assert {token: Decimal(price) for token, price in payment["prices"].items()} == {
        str(shop.sol): Decimal("0.1"),
        str(shop.usdc): Decimal(5),
    }
    assert list(peer.addresses().values()) == [str(keypair.pubkey())]
    engine.dispose()


@pytest.mark.slow
def test_the_peers_four_commands_run_against_our_chain(market: Market, tmp_path: Path) -> None:
    database_url = f"sqlite:///{tmp_path / 'shop.sqlite3'}"
    peer = market.peer(database_url, Fernet.generate_key().decode())
    paid, unpaid = peer.create_payments(2)
    market.seed.airdrop(Pubkey.from_string(paid["address"]), 123_456_789)
    assert "reconciled=1" in peer.command(RECHECK, "--limit", "10")
    peer.expire_now([unpaid["id"]])
    for command in (EXPIRE, SWEEP, RECLAIM):
        peer.command(command)
    statuses = {payment["id"]: payment["status"] for payment in peer.states()["payments"]}
    assert statuses == {paid["id"]: "confirmed", unpaid["id"]: "expired"}
    [first, _] = wallets(database_url, peer_tables())
    assert first.payment is not None
    assert first.payment.expires_at > datetime.now(UTC)
    assert first.state is WalletState.SENT_FUNDS
