"""The fee payer of a process that has no key: an address to plan with, and nothing that signs."""

from typing import Final

from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import ID as SYSTEM_PROGRAM_ID

from solpay_pipeline.chain.sending.signing import SignerRefused

NOBODY: Final = Pubkey.find_program_address([b"no fee payer is known"], SYSTEM_PROGRAM_ID)[0]
"""Stands where the fee payer is not known. It is off the curve: nobody can hold its key."""


class KeylessFeePayer:
    """See `FeePayerSigner`; `pubkey` is `NOBODY` where the address is not known."""

    def __init__(self, address: Pubkey | None) -> None:
        self._address = address or NOBODY

    def __repr__(self) -> str:
        return f"KeylessFeePayer({self._address})"

    @property
    def pubkey(self) -> Pubkey:
        """The address, as far as it is known."""
        return self._address

    async def sign_message(self, message: bytes) -> Signature:
        """Raises `SignerRefused`."""
        raise SignerRefused("this process has no key of the fee payer")

    async def is_available(self) -> bool:
        """There is nothing that signs."""
        return False

    async def aclose(self) -> None:
        """Nothing to close."""
