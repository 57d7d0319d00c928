"""Opens and seals the keypairs of one-time wallets, one at a time, only to sign.

A sealed keypair is a Fernet token of `Keypair.to_json()` (the peer's `WalletEncryptionService`), or that JSON itself
where encryption is off. The settings say which; it is never guessed, while the peer silently falls back to plain text.
Errors name the wallet and nothing else about it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.base.errors import AboutOneRow, NeedsOperator
from solpay_pipeline.base.keys import address_of

KEYPAIR_BYTES = 64
_SEED_BYTES = 32
_ORDINALS = ("first", "second", "third", "fourth", "fifth")


class BadWalletKey(NeedsOperator, ValueError):
    """A configured Fernet key cannot be used. The text says which one by its position, never the key."""


class KeyUnreadable(AboutOneRow):
    """A wallet's keypair cannot be opened; the text names the wallet and the reason."""


class KeyMismatch(AboutOneRow):
    """A wallet's keypair opens, but does not belong to its payment's address: it must not sign."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The content of `keypair_json`, kept out of every repr."""

    wallet_id: int
    content: object = field(repr=False)


class WalletVault:
    """Fernet keys: the first one seals, any of them opens. None where nothing is encrypted."""

    __slots__ = ("_fernets", "_multi")

    def __init__(self, keys: Sequence[SecretStr | str], *, encrypted: bool) -> None:
        """Raises BadWalletKey for an invalid key, and where keys and `encrypted` contradict each other."""
        if encrypted and not keys:
            raise BadWalletKey("wallet keys are missing, and wallets are configured as encrypted")
        if keys and not encrypted:
            raise BadWalletKey("wallet keys are given, but wallets are configured as not encrypted")
        self._fernets = tuple(_fernet(key, place) for place, key in enumerate(keys))
        self._multi = MultiFernet(self._fernets) if self._fernets else None

    def __repr__(self) -> str:
        """How many keys there are, never the keys."""
        return f"WalletVault({len(self._fernets)} keys)" if self._fernets else "WalletVault(not encrypted)"

    def open(self, sealed: Sealed, expected: Pubkey) -> Keypair:
        """The keypair of `sealed`, proven to be the one of the address `expected`.

        Raises KeyUnreadable, KeyMismatch.
        """
        keypair = self._opened(sealed)
        if address_of(keypair) != expected:
            raise KeyMismatch(
                f"wallet {sealed.wallet_id}: its keypair is not the one of its payment's address: "
                "put the right payment_address back"
            )
        return keypair

    def seal(self, keypair: Keypair) -> str:
        """The value for `keypair_json`."""
        plain = keypair.to_json()
        return plain if self._multi is None else self._multi.encrypt(plain.encode()).decode()

    def reseal(self, sealed: Sealed, expected: Pubkey | None) -> str | None:
        """The same keypair under the first key, or None where it is under that key already.

        The keypair is checked before and after: against the address `expected`, or against itself where the wallet's
        payment is gone (None). The token keeps its time of sealing.

        Raises KeyUnreadable, KeyMismatch; KeyUnreadable also where nothing is encrypted.
        """
        before = self._opened(sealed) if expected is None else self.open(sealed, expected)
        if self._multi is None:
            raise KeyUnreadable(f"wallet {sealed.wallet_id}: wallets are configured as not encrypted")
        token = str(sealed.content).encode()
        if _decrypted(self._fernets[0], token) is not None:
            return None
        renewed = self._multi.rotate(token).decode()
        if self._opened(Sealed(sealed.wallet_id, renewed)) != before:
            raise KeyMismatch(f"wallet {sealed.wallet_id}: its keypair changed while it was sealed again")
        return renewed

    def _opened(self, sealed: Sealed) -> Keypair:
        content, is_plain = sealed.content, _is_plain(sealed.content)
        if self._multi is None:
            if not is_plain:
                raise KeyUnreadable(
                    f"wallet {sealed.wallet_id}: its keypair is no plain array, but wallets are not to be encrypted"
                )
            keypair = _keypair(content)
        else:
            if is_plain:
                raise KeyUnreadable(
                    f"wallet {sealed.wallet_id}: its keypair is in plain text, but wallets are to be encrypted"
                )
            # A lone surrogate, which JSON can hold, would otherwise raise an error that shows the content.
            plain = (
                _decrypted(self._multi, content.encode(errors="replace"))
                if isinstance(content, str)
                else None
            )
            if plain is None:
                raise KeyUnreadable(f"wallet {sealed.wallet_id}: none of the wallet keys opens its keypair")
            keypair = _keypair(plain)
        if keypair is None:
            raise KeyUnreadable(
                f"wallet {sealed.wallet_id}: its keypair is not an array of 64 bytes that fit"
            )
        return keypair


def _is_plain(content: object) -> bool:
    return isinstance(content, list) or (isinstance(content, str) and content.lstrip().startswith("["))


def _fernet(key: SecretStr | str, place: int) -> Fernet:
    text = key.get_secret_value() if isinstance(key, SecretStr) else key
    try:
        return Fernet(text.strip().encode())
    except ValueError:
        pass
    # Raised here, so that no chained exception holds a piece of the key.
    which = _ORDINALS[place] if place < len(_ORDINALS) else f"{place + 1}th"
    raise BadWalletKey(f"the {which} wallet key is not a Fernet key (32 bytes in URL-safe base64)")


def _decrypted(fernet: Fernet | MultiFernet, token: bytes) -> str | None:
    try:
        return fernet.decrypt(token).decode()
    except (InvalidToken, UnicodeDecodeError):
        return None


def _keypair(plain: object) -> Keypair | None:
    """The keypair in 64 numbers, or in their JSON text; None unless its halves belong together."""
    try:
        numbers = json.loads(plain) if isinstance(plain, str) else plain
        if not isinstance(numbers, list) or len(numbers) != KEYPAIR_BYTES:
            return None
        secret = bytes(numbers)
        keypair = Keypair.from_seed(secret[:_SEED_BYTES])
    except (ValueError, TypeError):
        return None
    return keypair if bytes(keypair) == secret else None
