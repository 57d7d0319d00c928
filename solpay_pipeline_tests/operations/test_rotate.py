"""Rotation of the wallet keys: every keypair under the first key, whatever else happens to the rows."""

from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet
from solders.keypair import Keypair

from solpay_pipeline.operations.rotate import Rotation, rotate
from solpay_pipeline.records.vault import Sealed, WalletVault

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


class Rows:
    """Sealed keypairs, two a page, with the addresses of their payments."""

    def __init__(self, *keys: str) -> None:
        self.keypairs = [Keypair() for _ in keys]
        self.sealed: list[tuple[Sealed, str | None]] = [
            (Sealed(number, WalletVault([key], encrypted=True).seal(keypair)), str(keypair.pubkey()))
            for number, (key, keypair) in enumerate(zip(keys, self.keypairs, strict=True), 1)
        ]
        self.replaced: dict[int, str] = {}
        self.pages = 0
        self.is_ours = True

    def __call__(self, after: int) -> Sequence[tuple[Sealed, str | None]]:
        self.pages += 1
        return [one for one in self.sealed if one[0].wallet_id > after][:2]

    def replace(self, sealed: Sealed, renewed: str) -> bool:
        if self.is_ours:
            self.replaced[sealed.wallet_id] = renewed
        return self.is_ours


def rotated(rows: Rows) -> tuple[Rotation, list[int]]:
    done: list[int] = []
    vault = WalletVault([NEW, OLD], encrypted=True)
    return rotate(vault, rows, rows.replace, done.append), done


def test_what_is_under_an_older_key_is_sealed_under_the_first_and_opens_to_the_same_keypair() -> None:
    rows = Rows(OLD, NEW, OLD)
    rotation, done = rotated(rows)
    assert (rotation.renewed, rotation.already, rotation.is_complete) == (2, 1, True)
    assert sum(done) == 3
    only_new: Any = WalletVault([NEW], encrypted=True)
    for number, content in rows.replaced.items():
        keypair = rows.keypairs[number - 1]
        assert bytes(only_new.open(Sealed(number, content), keypair.pubkey())) == bytes(keypair)


def test_a_keypair_that_no_key_opens_or_that_is_of_another_address_is_reported_and_stays() -> None:
    rows = Rows(Fernet.generate_key().decode(), OLD, OLD)
    rows.sealed[1] = (rows.sealed[1][0], str(Keypair().pubkey()))
    rows.sealed[2] = (rows.sealed[2][0], "no address")
    rotation, _ = rotated(rows)
    assert (rotation.renewed, len(rotation.unreadable), rotation.is_complete) == (0, 3, False)
    assert not rows.replaced


def test_a_row_that_the_shop_changed_meanwhile_is_counted_and_not_complete() -> None:
    rows = Rows(OLD)
    rows.is_ours = False
    rotation, _ = rotated(rows)
    assert (rotation.renewed, rotation.changed_meanwhile, rotation.is_complete) == (0, 1, False)
