"""The keys, and the address that money goes to."""

from dataclasses import dataclass

from solders.pubkey import Pubkey

from solpay_pipeline.chain.sending.signing import FeePayerSigner, RemoteSigner
from solpay_pipeline.records.vault import WalletVault
from solpay_pipeline.settings.model import Settings
from solpay_pipeline.settings.table import BadSetting, needed


@dataclass(frozen=True, slots=True)
class Wallets:
    """`vault` opens the one-time wallets' keys, `fee_payer` signs for the fees, `receiver` gets everything."""

    vault: WalletVault
    fee_payer: FeePayerSigner
    receiver: Pubkey


def wallets_of(settings: Settings) -> Wallets:
    """Raises `BadSetting` where nobody pays the fees."""
    wallet_keys = needed(settings.wallet_keys, "SOLPAY_WALLET_KEYS")
    return Wallets(
        vault=WalletVault(wallet_keys, encrypted=bool(wallet_keys)),
        fee_payer=_fee_payer(settings),
        receiver=needed(settings.receiver_address, "SOLPAY_RECEIVER_ADDRESS"),
    )


def _fee_payer(settings: Settings) -> FeePayerSigner:
    if settings.fee_payer is not None:
        return settings.fee_payer
    place, address = settings.fee_payer_signer, settings.fee_payer_address
    if place is None or address is None:
        raise BadSetting("SOLPAY_FEE_PAYER_KEYPAIR", "is missing")
    return RemoteSigner(place, address, settings.fee_payer_signer_token)
