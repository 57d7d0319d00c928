"""The fee payer's key in a Vault: asked over its real protocol, believed only as far as its signatures verify."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from solpay_pipeline.chain.sending.signing import (
    KeyPlace,
    RemoteSigner,
    SignerRefused,
    SignerUnreachable,
    WrongSignature,
    sign_for,
)
from solpay_pipeline.settings.model import Settings, bad_settings
from solpay_pipeline.wiring.deployment import deployment_of
from solpay_pipeline_tests.security.keys.vault_server import KEY, TOKEN, Vault, running_vault
from solpay_pipeline_tests.shop import SOL, Shop, open_shop

PAYER = Keypair.from_seed(bytes(range(32)))


@pytest.fixture
def vault() -> Iterator[Vault]:
    with running_vault(PAYER) as vault:
        yield vault


def signer_of(
    vault: Vault, token: str = TOKEN, key: str = KEY, address: Pubkey | None = None
) -> RemoteSigner:
    return RemoteSigner(KeyPlace("vault", key, vault.url), address or PAYER.pubkey(), SecretStr(token))


def ask(signer: RemoteSigner, message: bytes = b"a message") -> Signature:
    async def asked() -> Signature:
        try:
            return await signer.sign_message(message)
        finally:
            await signer.aclose()

    return asyncio.run(asked())


def test_a_vault_signs_as_the_key_in_memory_does_over_one_connection(vault: Vault):
    wallet = Keypair()
    move = transfer(TransferParams(from_pubkey=wallet.pubkey(), to_pubkey=PAYER.pubkey(), lamports=1))
    message = MessageV0.try_compile(PAYER.pubkey(), [move], [], Hash.new_unique())
    signer = signer_of(vault)

    async def signed() -> list[tuple[Signature, bytes]]:
        assert await signer.is_available()
        both = [await sign_for(message, signer, [wallet]) for _ in range(2)]
        await signer.aclose()
        return both

    first, second = asyncio.run(signed())
    whole = VersionedTransaction(message, [PAYER, wallet])
    assert first == second == (whole.signatures[0], bytes(whole))
    assert vault.connections == 1


def test_a_signer_that_is_away_is_told_in_one_line_and_may_be_asked_again(vault: Vault):
    vault.is_sealed = True
    with pytest.raises(SignerUnreachable) as sealed:
        ask(signer_of(vault))
    assert str(sealed.value) == (
        f"the fee payer's signer {vault.place}: Remote API error (HTTP 503); nothing was sent"
    )

    nowhere = RemoteSigner(KeyPlace("vault", KEY, "http://127.0.0.1:9"), PAYER.pubkey(), SecretStr(TOKEN))
    with pytest.raises(SignerUnreachable, match="HTTP request failed; nothing was sent"):
        ask(nowhere)


def test_a_signer_that_refuses_is_told_with_what_to_check_and_without_the_token(vault: Vault):
    for signer in (signer_of(vault, token="hvs.another"), signer_of(vault, key="no-such-key")):
        with pytest.raises(
            SignerRefused, match="check its token, the key's name and the key's rights"
        ) as refused:
            ask(signer)
        assert "hvs." not in str(refused.value) + repr(signer)


def test_a_wrong_signature_is_refused_whoever_checks_first(vault: Vault):
    vault.signs_with = Keypair()
    with pytest.raises(WrongSignature, match="nothing was sent"):
        ask(signer_of(vault))

    class Liar(RemoteSigner):
        async def sign_message(self, message: bytes) -> Signature:
            return Keypair().sign_message(message)

    move = transfer(TransferParams(from_pubkey=PAYER.pubkey(), to_pubkey=PAYER.pubkey(), lamports=1))
    message = MessageV0.try_compile(PAYER.pubkey(), [move], [], Hash.new_unique())
    liar = Liar(KeyPlace("vault", KEY, vault.url), PAYER.pubkey())
    with pytest.raises(WrongSignature, match=f"not one of {PAYER.pubkey()}"):
        asyncio.run(sign_for(message, liar, []))


def test_a_vault_with_another_key_than_the_settings_name_is_not_available(vault: Vault):
    async def available(signer: RemoteSigner) -> bool:
        try:
            return await signer.is_available()
        finally:
            await signer.aclose()

    assert not asyncio.run(available(signer_of(vault, address=Keypair().pubkey())))


def test_a_backend_whose_package_is_missing_is_told_by_name():
    with pytest.raises(SignerRefused, match=r"aws-kms:alias/fees: .*is the extra `kms` installed\?"):
        ask(RemoteSigner(KeyPlace("aws-kms", "alias/fees"), PAYER.pubkey()))


# -- whole operations -------------------------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path: Path, vault: Vault) -> Iterator[Shop]:
    """A shop whose fee payer is in the Vault, as its settings say."""
    with open_shop(tmp_path) as shop:
        shop.seed.airdrop(PAYER.pubkey(), SOL)
        shop.settle_chain()
        shop.accept_sol()
        environment = shop.environment() | {
            "SOLPAY_FEE_PAYER_SIGNER": vault.place,
            "SOLPAY_FEE_PAYER_ADDRESS": str(PAYER.pubkey()),
            "SOLPAY_FEE_PAYER_SIGNER_TOKEN": TOKEN,
        }
        del environment["SOLPAY_FEE_PAYER_KEYPAIR"]
        assert bad_settings(environment) == ()
        remote = deployment_of(Settings.from_environment(environment))
        shop.deployment = replace(shop.deployment, fee_payer=remote.fee_payer)
        remote.engine.dispose()
        yield shop


def test_a_sweep_is_paid_by_the_key_in_the_vault(shop: Shop, vault: Vault):
    customers = shop.accepted_and_paid(*[None] * 3)
    before = shop.received()

    outcome = shop.run("sweep")

    assert (outcome.swept, len(vault.signed)) == (3, len(outcome.signatures))
    assert shop.received() - before == 3 * SOL // 10
    assert shop.seed.lamports(PAYER.pubkey()) == SOL - outcome.fees
    assert {shop.state(customer) for customer in customers} == {"sent_funds"}


def test_nothing_is_recorded_or_changed_where_the_signer_goes_away_and_the_next_run_sweeps(
    shop: Shop, vault: Vault
):
    # More wallets than one transaction holds, and a Vault that is sealed after the first signature.
    customers = shop.accepted_and_paid(*[None] * 9)
    vault.fails_after = 1

    with pytest.raises(SignerUnreachable, match=r"HTTP 503.*nothing was sent"):
        shop.run("sweep")

    assert len(vault.signed) == 1
    assert shop.transactions() == []
    assert {shop.state(customer) for customer in customers} == {"processing_payment"}
    assert shop.seed.lamports(PAYER.pubkey()) == SOL

    vault.fails_after = None
    assert shop.run("sweep").swept == 9


def test_a_wrong_signature_leaves_neither_a_record_nor_a_transaction(shop: Shop, vault: Vault):
    shop.accepted_and_paid(*[None] * 1)
    vault.signs_with = Keypair()

    with pytest.raises(WrongSignature):
        shop.run("sweep")

    assert shop.transactions() == []
    assert shop.seed.lamports(PAYER.pubkey()) == SOL
