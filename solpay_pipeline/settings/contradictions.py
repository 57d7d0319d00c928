"""Settings that are good by themselves and do not go together."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import SecretStr
from solders.pubkey import Pubkey

from solpay_pipeline.chain.sending.signing import VAULT, KeyPlace
from solpay_pipeline.settings.headers import SecretHeaders
from solpay_pipeline.settings.secret import SecretKeypair
from solpay_pipeline.settings.table import BadSetting

_SIGNER = "SOLPAY_FEE_PAYER_SIGNER"


def contradictions(fields: Mapping[str, Any]) -> Iterator[BadSetting]:
    """All of them, of values by their fields. A rule is silent where one of its fields was bad or not read."""
    for names, rule in _RULES:
        if fields.keys() >= set(names):
            yield from rule(*(fields[name] for name in names))


def _webhook(url: SecretStr | None, secrets: tuple[SecretStr, ...]) -> Iterator[BadSetting]:
    if url is not None and not secrets:
        yield BadSetting("SOLPAY_WEBHOOK_SECRET", "is missing, and SOLPAY_WEBHOOK_URL needs it to sign")
    if url is None and secrets:
        yield BadSetting("SOLPAY_WEBHOOK_URL", "is missing, though SOLPAY_WEBHOOK_SECRET is given")


def _tables(payments: str, tokens: str) -> Iterator[BadSetting]:
    if payments == tokens:
        yield BadSetting("SOLPAY_TOKEN_TABLE", "is the same table as SOLPAY_PAYMENT_TABLE")


def _headers(urls: tuple[SecretStr, ...], headers: SecretHeaders | None) -> Iterator[BadSetting]:
    if headers is not None:
        yield from headers.misfits(urls)


def _fee_payer(
    keypair: SecretKeypair | None, place: KeyPlace | None, address: Pubkey | None, token: SecretStr | None
) -> Iterator[BadSetting]:
    """One key pays: in memory, or where the signer says."""
    if place is None:
        if token is not None:
            yield BadSetting("SOLPAY_FEE_PAYER_SIGNER_TOKEN", f"is given, but {_SIGNER} is not")
        if keypair is not None and address not in (None, keypair.pubkey):
            problem = f"is not the address of SOLPAY_FEE_PAYER_KEYPAIR, which is {keypair.pubkey}"
            yield BadSetting("SOLPAY_FEE_PAYER_ADDRESS", problem)
        return
    if keypair is not None:
        yield BadSetting("SOLPAY_FEE_PAYER_KEYPAIR", f"is given beside {_SIGNER}; one key pays")
    if address is None:
        yield BadSetting("SOLPAY_FEE_PAYER_ADDRESS", f"is missing, and {_SIGNER} needs it")
    if (token is not None) is not (place.backend == VAULT):
        problem = (
            "is missing, and a Vault needs it" if token is None else "is given, but only a Vault has one"
        )
        yield BadSetting("SOLPAY_FEE_PAYER_SIGNER_TOKEN", problem)


_RULES: tuple[tuple[tuple[str, ...], Callable[..., Iterator[BadSetting]]], ...] = (
    (("webhook_url", "webhook_secrets"), _webhook),
    (("payment_table", "token_table"), _tables),
    (("rpc_urls", "rpc_headers"), _headers),
    (("fee_payer", "fee_payer_signer", "fee_payer_address", "fee_payer_signer_token"), _fee_payer),
)
