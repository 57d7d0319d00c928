"""Who signs for the fee payer: a key in memory, or one that never leaves a KMS or a Vault.

A remote key is asked through solana-keychain (PyPI, the extra `kms`), which speaks to Vault's transit engine and to the
clouds' key services. Every signature that comes back is verified here. A signer that cannot be reached is
`SignerUnreachable`, and a later run may succeed; one that refuses, or signs something else, is permanent. Either way
nothing was sent.
"""

import asyncio
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol

from pydantic import SecretStr
from solders.keypair import Keypair
from solders.message import MessageV0, MessageV1, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature

from solpay_pipeline.chain.rpc.errors import Permanent, Transient
from solpay_pipeline.chain.sending.wire import check_size, sign

SIGNING_SECONDS: Final = 10.0
"""A blockhash lives for about a minute, and up to a hundred transactions are signed with one."""

VAULT: Final = "vault"
BACKENDS: Final = (VAULT, "aws-kms", "gcp-kms")
"""Backends of solana-keychain that sign the bytes they are given and hold nothing but a key."""

_WRONG: Final = frozenset({"SIGNER_SIGNING_FAILED", "SIGNER_SERIALIZATION_ERROR"})
_AWAY: Final = frozenset({"SIGNER_HTTP_ERROR", "SIGNER_NOT_AVAILABLE", "SIGNER_REMOTE_API_ERROR"})
"""Codes of solana_keychain.core.errors.SignerErrorCode (2.0.0); its texts hold no detail on purpose."""

_CLOUD_ERRORS: Final = {
    "aws-kms": ("botocore.exceptions.BotoCoreError",),
    "gcp-kms": ("google.auth.exceptions.GoogleAuthError", "google.api_core.exceptions.GoogleAPIError"),
}
"""By name: only users of a cloud have its library."""


class SignerUnreachable(Transient):
    """The signer did not answer, is sealed, or asks us to slow down. Nothing was signed."""


class SignerRefused(Permanent):
    """The signer does not sign for us: wrong token, key name or rights, or its package is missing."""


class WrongSignature(Permanent):
    """What the signer returned is not the fee payer's signature of our bytes; it was thrown away."""


class FeePayerSigner(Protocol):
    """A key that pays fees, wherever it is kept. `SecretKeypair` is the one in memory."""

    @property
    def pubkey(self) -> Pubkey:
        """The fee payer's address."""

    async def sign_message(self, message: bytes) -> Signature:
        """Sign a message's bytes. Raises what this module defines."""

    async def is_available(self) -> bool:
        """Whether it can sign with the key of that address; nothing is signed."""

    async def aclose(self) -> None:
        """Close connections; it may be used again."""


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a remote key is kept: one of `BACKENDS` and the key's name there; for a Vault also its `url`."""

    backend: str
    key: str
    url: str = ""

    def __str__(self) -> str:
        return f"{self.backend}:{self.url}/{self.key}" if self.url else f"{self.backend}:{self.key}"


class RemoteSigner:
    """The fee payer's key in a Vault or a KMS, by solana-keychain. Opened by the first use, in its event loop."""

    def __init__(self, place: KeyPlace, address: Pubkey, token: SecretStr | None = None) -> None:
        self._place = place
        self._address = address
        self._token = token
        self._signer: Any = None
        self._client: Any = None

    def __repr__(self) -> str:
        return f"RemoteSigner({self._place}, {self._address})"

    @property
    def pubkey(self) -> Pubkey:
        """The address in the settings; a signature by any other key is refused."""
        return self._address

    async def sign_message(self, message: bytes) -> Signature:
        """Sign the bytes. Raises `SignerUnreachable`, `SignerRefused`, `WrongSignature`."""
        signer = await self._opened()
        failed: type[Exception] = self._errors().SignerError
        try:
            async with asyncio.timeout(SIGNING_SECONDS):
                signature: Signature = await signer.sign_message(message)
        except TimeoutError:
            raise SignerUnreachable(f"{self._name()}: no answer within {SIGNING_SECONDS:.0f} s") from None
        except failed as error:
            raise self._translated(error) from None
        return signature

    async def is_available(self) -> bool:
        """Ask for the key. Raises `SignerRefused` where it cannot even be asked."""
        return bool(await (await self._opened()).is_available())

    async def aclose(self) -> None:
        """Close the connections to a Vault."""
        client, self._client, self._signer = self._client, None, None
        if client is not None:
            await client.aclose()

    async def _opened(self) -> Any:
        if self._signer is None:
            self._signer = await self._open()
        return self._signer

    async def _open(self) -> Any:
        place = self._place
        try:
            keychain = importlib.import_module("solana_keychain")
            module = importlib.import_module(f"solana_keychain.{place.backend.replace('-', '_')}")
        except ImportError as error:
            raise SignerRefused(f"{self._name()}: {error}; is the extra `kms` installed?") from None
        try:
            return await keychain.create_keychain_signer(place.backend, self._config(module))
        except (self._errors().SignerError, ValueError, *self._cloud_errors()) as error:
            raise SignerRefused(f"{self._name()}: it cannot be set up: {type(error).__name__}") from None

    def _config(self, module: Any) -> Any:
        place, address = self._place, str(self._address)
        if place.backend == VAULT:
            self._client = importlib.import_module("httpx").AsyncClient()
            return module.VaultSignerConfig(
                api_base_url=place.url,
                token="" if self._token is None else self._token.get_secret_value(),
                key_name=place.key,
                public_key=address,
                http_client=self._client,
            )
        if place.backend == "aws-kms":
            return module.AwsKmsSignerConfig(key_id=place.key, public_key=address)
        return module.GcpKmsSignerConfig(key_name=place.key, public_key=address)

    def _cloud_errors(self) -> list[type[Exception]]:
        """What the cloud's library raises where it finds no credentials or region, or cannot reach its service."""
        named = (each.rpartition(".") for each in _CLOUD_ERRORS.get(self._place.backend, ()))
        return [getattr(importlib.import_module(module), name) for module, _, name in named]

    def _errors(self) -> Any:
        return importlib.import_module("solana_keychain.core.errors")

    def _translated(self, error: Any) -> Transient | Permanent:
        code, status = str(error.code.value), error.status_code
        answered = "" if status is None else f" (HTTP {status})"
        if code in _WRONG:
            return WrongSignature(
                f"{self._name()}: no signature of {self._address} came back; nothing was sent"
            )
        is_our_fault = status is not None and 400 <= status < 500 and status != HTTPStatus.TOO_MANY_REQUESTS
        if code in _AWAY and not is_our_fault:
            return SignerUnreachable(f"{self._name()}: {error}{answered}; nothing was sent")
        return SignerRefused(
            f"{self._name()}: {error}{answered}; check its token, the key's name and the key's rights"
        )

    def _name(self) -> str:
        return f"the fee payer's signer {self._place}"


async def sign_for(
    message: MessageV0 | MessageV1, fee_payer: FeePayerSigner, keypairs: Sequence[Keypair]
) -> tuple[Signature, bytes]:
    """Sign a message for the wire: the fee payer by its signer, the wallets by their `keypairs`.

    Raises what `wire.sign` raises, and of the signer `SignerUnreachable`, `SignerRefused` and `WrongSignature`.
    """
    check_size(message)
    signed = to_bytes_versioned(message)
    paid = await fee_payer.sign_message(signed)
    if not paid.verify(fee_payer.pubkey, signed):
        raise WrongSignature(
            f"the signature that came back is not one of {fee_payer.pubkey}; nothing was sent"
        )
    return sign(message, keypairs, paid)
