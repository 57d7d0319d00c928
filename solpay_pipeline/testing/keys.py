"""Where the keys of a shop come from."""

import base64
import hashlib
import os

from solders.keypair import Keypair


class Keys:
    """Keys made from a text, the same ones for the same text; or by chance, where there is none."""

    def __init__(self, text: str | None = None) -> None:
        self._text = text

    def keypair(self, purpose: str) -> Keypair:
        """The keypair for this purpose."""
        return Keypair.from_seed(self._bytes(purpose))

    def fernet(self, purpose: str) -> str:
        """A Fernet key, to seal keypairs with."""
        return base64.urlsafe_b64encode(self._bytes(purpose)).decode()

    def _bytes(self, purpose: str) -> bytes:
        if self._text is None:
            return os.urandom(32)
        return hashlib.sha256(f"{self._text} {purpose}".encode()).digest()
