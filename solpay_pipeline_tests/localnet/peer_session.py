"""Runs in a process of its own: the peer's client classes, unmodified, against the node named in the environment.

Prints what they read as one JSON object.
"""

import json
import os
import sys
from decimal import Decimal

from django.conf import settings
from solders.keypair import Keypair
from solders.pubkey import Pubkey

_FEE_PAYER = os.environ["PEER_FEE_PAYER"]

settings.configure(
    SOLANA_PAYMENTS={
        "RPC_URL": os.environ["PEER_RPC_URL"],
        "RECEIVER_ADDRESS": str(Pubkey.new_unique()),
        "FEE_PAYER_KEYPAIR": _FEE_PAYER,
    }
)


def main() -> None:
    """Reads, opens, pays, looks up and closes, each by the peer's own hand."""
    from django_solana_payments.solana.base_solana_client import BaseSolanaClient
    from django_solana_payments.solana.enums import TransactionTypeEnum
    from django_solana_payments.solana.solana_balance_client import SolanaBalanceClient
    from django_solana_payments.solana.solana_token_client import SolanaTokenClient
    from django_solana_payments.solana.solana_transaction_builder import SolanaTransactionBuilder
    from django_solana_payments.solana.solana_transaction_query_client import SolanaTransactionQueryClient
    from django_solana_payments.solana.solana_transaction_sender_client import SolanaTransactionSenderClient

    base = BaseSolanaClient()
    tokens = SolanaTokenClient(base)
    builder = SolanaTransactionBuilder(base, tokens)
    sender = SolanaTransactionSenderClient(base, builder)
    balances, queries = SolanaBalanceClient(base), SolanaTransactionQueryClient(base)
    mint = Pubkey.from_string(os.environ["PEER_MINT"])
    payer = Keypair.from_json(_FEE_PAYER)
    sender_wallet = Keypair.from_json(os.environ["PEER_SENDER"])
    wallet = Keypair()

    tokens.create_associated_token_addresses_for_mints(wallet.pubkey(), [mint])
    confirmed = sender.send_transfer_transaction(
        wallet.pubkey(), Decimal("0.5"), TransactionTypeEnum.NATIVE, sender_wallet
    )
    sender.send_transfer_transaction(
        wallet.pubkey(), Decimal("1.25"), TransactionTypeEnum.SPL, sender_wallet, mint
    )
    account = tokens.get_associated_token_address(wallet.pubkey(), mint)
    lookups = queries.get_transactions_for_address(wallet.pubkey(), limit=2)
    statuses = queries.get_signatures_statuses([confirmed.tx_signature])
    seen = {
        "sol": str(balances.get_balance_by_address(wallet.pubkey())),
        "token": str(balances.get_spl_token_balance_by_address(wallet.pubkey(), mint)),
        "owner": str(tokens.get_account_info(account).value.owner),
        "status": str(statuses[0].confirmation_status),
        "instructions": [
            sorted(queries.extract_instruction_types_from_transaction_details(each)) for each in lookups
        ],
        "payer": str(queries.extract_fee_payer_from_transaction_details(lookups[0]).pubkey)
        == str(payer.pubkey()),
    }
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
