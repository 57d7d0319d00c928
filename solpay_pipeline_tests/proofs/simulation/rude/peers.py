"""The peer's own commands: they move money by halves and write final states over what is still there.

After services/solana_payments_service.py of django-solana-payments 1.0.0: see its S1, S2, S3, S7 and S16 in docs/peer.md.
"""

from solpay_pipeline_tests.proofs.simulation.rude.scene import Scene, moved_sol, moved_tokens


def peer_sends(scene: Scene) -> str:
    """Lamports or, where there are none, one token go home; the wallet is called swept and its accounts stay open."""
    till, world, house = scene.till, scene.world, scene.house
    if scene.web.status(till) not in ("confirmed", "finalized"):
        return f"The peer sends nothing of payment {till.number}, which is not accepted."
    lamports, held = house.lamports(till.address), scene.tokens()
    if lamports > world.chain.minimum_balance(0):
        house.send([moved_sol(till.keypair, world.receiver, lamports)], [till.keypair])
    elif held is not None:
        source, state = held
        own = house.create_ata(world.receiver, state.mint)
        moved = moved_tokens(house, source, state, own, state.amount, till.address)
        house.send([moved], [till.keypair])
    scene.web.set_wallet(till, "sent_funds", world.receiver)
    return f"The peer sends what it sees of wallet {till.number} and calls it sent."


def peer_calls_it_sent(scene: Scene) -> str:
    """A transaction failed on chain, and the peer takes it for done."""
    if scene.web.status(scene.till) not in ("confirmed", "finalized"):
        return f"The peer sends nothing of payment {scene.till.number}, which is not accepted."
    scene.web.set_wallet(scene.till, "sent_funds", scene.world.receiver)
    return f"The peer calls wallet {scene.till.number} sent, and nothing was."


def peer_calls_it_closed(scene: Scene) -> str:
    """Its close was refused, of a wallet whose payment is expired."""
    if scene.web.status(scene.till) != "expired":
        return f"The peer closes nothing of payment {scene.till.number}, which is not expired."
    scene.web.set_wallet(scene.till, "payment_expired_and_wallet_closed")
    return f"The peer calls wallet {scene.till.number} closed, and nothing was."


def peer_expires_and_closes(scene: Scene) -> str:
    """By the clock alone, whatever the wallet holds."""
    world, till = scene.world, scene.till
    is_over = till.expires <= world.unix_time() + world.clock_skew
    if not is_over or scene.web.status(till) != "initiated":
        return f"The peer does nothing about payment {till.number}."
    scene.web.set_payment(till, status="expired")
    scene.web.set_wallet(till, "payment_expired_and_wallet_closed")
    return f"The peer expires payment {till.number} by the clock and calls its wallet closed."
