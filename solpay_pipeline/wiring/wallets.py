"""The keys, where this process has them, and the address that money goes to."""

from dataclasses import dataclass

from solders.pubkey import Pubkey

from solpay_pipeline.chain.sending.keyless import KeylessFeePayer
from solpay_pipeline.chain.sending.signing import FeePayerSigner, RemoteSigner
from solpay_pipeline.records.vault import WalletVault
from solpay_pipeline.settings.model import Settings
from solpay_pipeline.settings.table import BadSetting, needed


@dataclass(frozen=True, slots=True)
class Wallets:
    """`vault` opens the one-time wallets' keys, `fee_payer` signs for the fees, `receiver` gets everything.

    Without `has_keys` the vault opens what is stored in plain text alone, and the fee payer signs nothing.
    """

    vault: WalletVault
    fee_payer: FeePayerSigner
    receiver: Pubkey
    has_keys: bool = True


def wallets_of(settings: Settings) -> Wallets:
    """Raises `BadSetting` where settings that were read for signing lack who pays the fees."""
    receiver = needed(settings.receiver_address, "SOLPAY_RECEIVER_ADDRESS")
    wallet_keys = settings.wallet_keys
    if wallet_keys is None:
        return Wallets(
            vault=WalletVault((), encrypted=False),
            fee_payer=KeylessFeePayer(settings.fee_payer_address),
            receiver=receiver,
            has_keys=False,
        )
    vault = WalletVault(wallet_keys, encrypted=bool(wallet_keys))
    return Wallets(vault, _fee_payer(settings), receiver)


def _fee_payer(settings: Settings) -> FeePayerSigner:
    if settings.fee_payer is not None:
        return settings.fee_payer
    place, address = settings.fee_payer_signer, settings.fee_payer_address
    if place is None or address is None:
        raise BadSetting("SOLPAY_FEE_PAYER_KEYPAIR", "is missing")
    return RemoteSigner(place, address, settings.fee_payer_signer_token)
