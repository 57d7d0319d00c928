"""The merchant's web application: the peer's own verification and expiry, as it writes its rows and moves money.

After `services/verify_transaction_service.py` and `services/main_wallet_service.py` of django-solana-payments 1.0.0,
its faults included: rows are written unconditionally, expiry goes by the clock alone, a request may be rolled back
after it has sent the money on. It pays its fees from a key of its own, so that ours can be told from its.
"""

import struct
from datetime import UTC, datetime

from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from solpay_pipeline_tests.proofs.simulation.steps import Ending
from solpay_pipeline_tests.proofs.simulation.till import Till, holdings
from solpay_pipeline_tests.proofs.simulation.world import World

_ACCEPTED = ("confirmed", "finalized")


class WebApplication:
    """Does what a request or the peer's command does, all at once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._payment = world.deployment.tables.payment.name
        self._wallet = world.deployment.tables.wallet.name
        self.accepted: set[int] = set()
        self.rolled_back: set[int] = set()

    def verify(self, till: Till, mint: Pubkey | None, ending: Ending) -> str:
        """A customer asks whether he has paid; what the application found, in words."""
        world = self._world
        if till.is_deleted or till.is_elsewhere:
            return "there is no such payment"
        self.set_wallet(till, "processing_payment")
        status = self.status(till)
        if status in _ACCEPTED:
            return f"it is {status} already"
        if world.unix_time() + world.clock_skew > till.expires:
            self.set_payment(till, status="expired")
            self.set_wallet(till, "payment_expired")
            return "its time is over, and it is expired without a look at the chain"
        slot = world.chain.slot_at("confirmed")
        balance = holdings(world.chain, till.address, slot)[0][mint]
        if mint not in till.prices or balance < till.prices[mint]:
            return "nothing or too little has come"
        signature = self._newest_signature(till, mint, slot)
        if signature is None:
            return "no transaction is found"
        if ending == "rolled back":
            self._send_home(till, mint, balance)
            self.rolled_back.add(till.payment_id)
            return "it is paid and sent home, and then the request is rolled back"
        self.set_payment(
            till, status="confirmed", signature=signature, paid_token_id=world.coins[mint].row_id
        )
        self.accepted.add(till.payment_id)
        if ending == "sent":
            sent = self._send_home(till, mint, balance)
            self.set_wallet(till, "sent_funds" if sent else "failed_to_send_funds", world.receiver)
            return "it is accepted and sent home" if sent else "it is accepted; sending it home failed"
        if ending == "failed":
            self.set_wallet(till, "failed_to_send_funds", world.receiver)
            return "it is accepted; sending it home failed"
        return "it is accepted and left to be sent"

    def expire(self) -> int:
        """The peer's command on all that is due; wallets stay as they are. How many."""
        world = self._world
        due = [
            till
            for till in world.tills
            if till.expires <= world.unix_time() + world.clock_skew and self.status(till) == "initiated"
        ]
        for till in due:
            self.set_payment(till, status="expired")
        return len(due)

    def status(self, till: Till) -> str:
        """A payment's status now; "deleted" where the shop has deleted it."""
        rows = self._world.database.rows(f"SELECT status FROM {self._payment} WHERE id = ?", till.payment_id)
        return str(rows[0][0]) if rows else "deleted"

    def _newest_signature(self, till: Till, mint: Pubkey | None, slot: int) -> str | None:
        chain = self._world.chain
        address = till.address if mint is None else self._world.mint_house.ata(till.address, mint)
        for record in chain.history.newest_first(address):
            if record.slot <= slot and record.err is None:
                return record.signature
        return None

    def _send_home(self, till: Till, mint: Pubkey | None, amount: int) -> bool:
        house = self._world.mint_house
        try:
            if mint is None:
                moved = TransferParams(
                    from_pubkey=till.address, to_pubkey=self._world.receiver, lamports=amount
                )
                house.send([transfer(moved)], [till.keypair])
            else:
                house.send([self._transfer(till.keypair, mint, amount)], [till.keypair])
        except RuntimeError:
            return False
        return True

    def _transfer(self, owner: Keypair, mint: Pubkey, amount: int) -> Instruction:
        house, coin = self._world.mint_house, self._world.coins[mint]
        source = house.ata(owner.pubkey(), mint)
        destination = house.create_ata(self._world.receiver, mint)
        keys = [
            AccountMeta(source, False, True),
            AccountMeta(mint, False, False),
            AccountMeta(destination, False, True),
            AccountMeta(owner.pubkey(), True, False),
        ]
        return Instruction(coin.program, b"\x0c" + struct.pack("<QB", amount, coin.decimals), keys)

    def set_wallet(self, till: Till, state: str, receiver: Pubkey | None = None) -> None:
        """Write a wallet's row, whatever it said."""
        values: dict[str, object] = {"state": state}
        if receiver is not None:
            values["receiver_address"] = str(receiver)
        self._update(self._wallet, till.wallet_id, values)

    def set_payment(self, till: Till, **values: object) -> None:
        """Write a payment's row, whatever it said."""
        self._update(self._payment, till.payment_id, values)

    def _update(self, table: str, row_id: int, values: dict[str, object]) -> None:
        values["updated"] = datetime.fromtimestamp(self._world.unix_time(), UTC).strftime(
            "%Y-%m-%d %H:%M:%S.%f"
        )
        columns = ", ".join(f"{name} = ?" for name in values)
        self._world.database.rows(f"UPDATE {table} SET {columns} WHERE id = ?", *values.values(), row_id)
