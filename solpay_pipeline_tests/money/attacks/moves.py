"""What somebody with a wallet's own key does behind the pipeline's back, as the peer's commands do."""

from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from solpay_pipeline.chain.sending.instructions import lower
from solpay_pipeline.lifecycle.actions import MoveTokens
from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT
from solpay_pipeline_tests.shop import Customer, Shop


def take_sol(shop: Shop, customer: Customer, to: Pubkey, lamports: int | None = None) -> str:
    """All lamports of the wallet, or some, to any address."""
    amount = shop.seed.lamports(customer.address) if lamports is None else lamports
    moved = TransferParams(from_pubkey=customer.address, to_pubkey=to, lamports=amount)
    return shop.seed.send([transfer(moved)], [customer.keypair])


def take_tokens(shop: Shop, customer: Customer, mint: Pubkey, to: Pubkey, amount: int | None = None) -> str:
    """Tokens (None: all) of the wallet's ATA to the ATA of any owner; the wallet's own account stays open."""
    destination = shop.seed.create_ata(to, mint)
    move = MoveTokens(
        source=shop.ata(customer.address, mint),
        mint=mint,
        program=shop.tokens[mint].program,
        decimals=shop.tokens[mint].decimals,
        amount=shop.tokens_of(customer.address, mint) if amount is None else amount,
        destination=destination,
    )
    return shop.seed.send(list(lower(move, customer.address)), [customer.keypair])


def pay_with_own_fee(shop: Shop, customer: Customer, to: Pubkey, lamports: int) -> str:
    """A hand that lets the wallet itself pay the fee."""
    moved = TransferParams(from_pubkey=customer.address, to_pubkey=to, lamports=lamports)
    with shop.chain.lock:
        blockhash, _ = shop.chain.latest_blockhash()
        message = MessageV0.try_compile(customer.address, [transfer(moved)], [], blockhash)
        record = shop.chain.submit(bytes(VersionedTransaction(message, [customer.keypair])))
    assert record.err is None
    return record.signature


def accept_wrapped_sol(shop: Shop) -> Pubkey:
    """Wrapped SOL among the accepted tokens, as a mint like any other."""
    shop.accept_token(NATIVE_MINT, "5", "WSOL")
    return NATIVE_MINT
