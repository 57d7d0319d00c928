"""Opening one-time wallets' keypairs, and refusing to."""

import json
import traceback

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from solders.keypair import Keypair

from solpay_pipeline.records.vault import (
    BadWalletKey,
    KeyMismatch,
    KeyUnreadable,
    Sealed,
    WalletVault,
)

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
KEYPAIR = Keypair()


def sealed_with(key: str, plain: str | None = None) -> Sealed:
    return Sealed(7, Fernet(key).encrypt((plain or KEYPAIR.to_json()).encode()).decode())


def test_what_is_sealed_opens_again() -> None:
    vault = WalletVault([SecretStr(NEW)], encrypted=True)
    token = vault.seal(KEYPAIR)
    assert token.startswith("gAAAA")
    assert vault.open(Sealed(7, token), KEYPAIR.pubkey()) == KEYPAIR


def test_every_key_opens_and_the_first_seals() -> None:
    vault = WalletVault([NEW, OLD], encrypted=True)
    assert vault.open(sealed_with(OLD), KEYPAIR.pubkey()) == KEYPAIR
    assert Fernet(NEW).decrypt(vault.seal(KEYPAIR).encode()) == KEYPAIR.to_json().encode()


@pytest.mark.parametrize("content", [KEYPAIR.to_json(), json.loads(KEYPAIR.to_json())])
def test_plain_keypairs_open_only_where_plain_is_configured(content: object) -> None:
    assert WalletVault([], encrypted=False).open(Sealed(7, content), KEYPAIR.pubkey()) == KEYPAIR
    with pytest.raises(KeyUnreadable, match="wallet 7: its keypair is in plain text"):
        WalletVault([NEW], encrypted=True).open(Sealed(7, content), KEYPAIR.pubkey())


def test_an_encrypted_keypair_is_refused_where_plain_is_configured() -> None:
    with pytest.raises(KeyUnreadable, match="wallet 7: its keypair is no plain array"):
        WalletVault([], encrypted=False).open(sealed_with(NEW), KEYPAIR.pubkey())


def test_a_keypair_of_another_address_is_never_handed_out() -> None:
    with pytest.raises(KeyMismatch, match="wallet 7: its keypair is not the one of its payment's address"):
        WalletVault([NEW], encrypted=True).open(sealed_with(NEW), Keypair().pubkey())


def test_a_keypair_whose_halves_do_not_belong_together_is_refused() -> None:
    """Its public half says the right address, its secret half signs for another."""
    forged = json.dumps([*bytes(Keypair())[:32], *bytes(KEYPAIR)[32:]])
    with pytest.raises(KeyUnreadable, match="not an array of 64 bytes that fit"):
        WalletVault([NEW], encrypted=True).open(sealed_with(NEW, forged), KEYPAIR.pubkey())


@pytest.mark.parametrize(
    "plain",
    ["", "{}", "[1,2,3]", "[]", json.dumps([300] * 64), json.dumps(["a"] * 64), "[1,", "null", "\x00"],
)
def test_a_token_that_holds_no_keypair_is_unreadable(plain: str) -> None:
    token = Fernet(NEW).encrypt(plain.encode()).decode()
    with pytest.raises(KeyUnreadable, match="wallet 7"):
        WalletVault([NEW], encrypted=True).open(Sealed(7, token), KEYPAIR.pubkey())


@pytest.mark.parametrize("content", [None, 5, {}, "", "gAAAA", "\ud800", "é"])
def test_a_column_that_holds_anything_else_is_unreadable(content: object) -> None:
    for vault in (WalletVault([NEW], encrypted=True), WalletVault([], encrypted=False)):
        with pytest.raises(KeyUnreadable, match="wallet 7"):
            vault.open(Sealed(7, content), KEYPAIR.pubkey())


def test_a_bad_key_is_named_by_its_place_and_never_shown() -> None:
    with pytest.raises(BadWalletKey, match="the second wallet key") as caught:
        WalletVault([NEW, SecretStr("dG9vLXNob3J0")], encrypted=True)
    shown = "".join(traceback.format_exception(caught.value))
    assert "dG9vLXNob3J0" not in shown.replace('SecretStr("dG9vLXNob3J0")', "")
    assert caught.value.__context__ is None


@pytest.mark.parametrize(("keys", "encrypted"), [([], True), ([NEW], False)])
def test_keys_and_the_configured_mode_must_agree(keys: list[str], encrypted: bool) -> None:
    with pytest.raises(BadWalletKey):
        WalletVault(keys, encrypted=encrypted)


def test_no_secret_is_in_a_repr_or_an_error() -> None:
    vault = WalletVault([NEW, OLD], encrypted=True)
    sealed = sealed_with(OLD)
    wrong = WalletVault([NEW], encrypted=True)
    shown = [repr(vault), str(vault), repr(sealed), str(sealed), repr([sealed]), f"{sealed}"]
    for refused in (sealed, Sealed(7, KEYPAIR.to_json())):
        with pytest.raises(KeyUnreadable) as caught:
            wrong.open(refused, KEYPAIR.pubkey())
        shown.append(f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}")
    for secret in (NEW, OLD, str(sealed.content), KEYPAIR.to_json(), str(KEYPAIR), bytes(KEYPAIR).hex()):
        assert all(secret not in text for text in shown)


def test_rotation_seals_under_the_first_key_and_keeps_the_time_of_sealing() -> None:
    vault = WalletVault([NEW, OLD], encrypted=True)
    before = sealed_with(OLD)
    renewed = vault.reseal(before, KEYPAIR.pubkey())
    assert renewed is not None
    assert WalletVault([NEW], encrypted=True).open(Sealed(7, renewed), KEYPAIR.pubkey()) == KEYPAIR
    stamp = Fernet(NEW).extract_timestamp(renewed.encode())
    assert stamp == Fernet(OLD).extract_timestamp(str(before.content).encode())
    assert vault.reseal(Sealed(7, renewed), KEYPAIR.pubkey()) is None


def test_rotation_refuses_a_keypair_of_another_address() -> None:
    vault = WalletVault([NEW, OLD], encrypted=True)
    with pytest.raises(KeyMismatch):
        vault.reseal(sealed_with(OLD), Keypair().pubkey())
    assert vault.reseal(sealed_with(OLD), None) is not None
    with pytest.raises(KeyUnreadable, match="not encrypted"):
        WalletVault([], encrypted=False).reseal(Sealed(7, KEYPAIR.to_json()), None)
