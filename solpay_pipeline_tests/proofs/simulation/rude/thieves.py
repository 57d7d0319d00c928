"""Somebody with a wallet's key: takes all, a part, or all but a unit that he sends home as an alibi."""

from dataclasses import replace

from solders.instruction import Instruction

from solpay_pipeline_tests.proofs.simulation.rude.payers import pay
from solpay_pipeline_tests.proofs.simulation.rude.scene import Scene, moved_sol, moved_tokens
from solpay_pipeline_tests.proofs.simulation.till import Till

_NOTHING = "There is nothing to take."


def all_is_taken(scene: Scene) -> str:
    """All lamports, or all of one token."""
    return _take(scene, 100, alibi=0)


def a_unit_goes_home_and_the_rest_is_taken(scene: Scene) -> str:
    """In one transaction that also pays the receiver."""
    return _take(scene, 100, alibi=1)


def a_part_is_taken(scene: Scene) -> str:
    """The rest is left for our sweep."""
    return _take(scene, scene.percent, alibi=0)


def paid_and_taken(scene: Scene) -> str:
    """A customer pays, and it is gone before anybody looks."""
    mint = next(iter(scene.till.prices))
    pay(scene, mint, scene.till.prices[mint])
    return f"Customer {scene.till.number} pays in {scene.world.symbol(mint)}. {_take(scene, 100, alibi=0)}"


def accepted_and_taken(scene: Scene) -> str:
    """The shop accepts a payment, and all is gone before our sweep."""
    return _take_accepted(scene, 100, alibi=0)


def accepted_and_taken_with_an_alibi(scene: Scene) -> str:
    """The same, and a unit goes home in the same transaction."""
    return _take_accepted(scene, 100, alibi=1)


def accepted_and_halved(scene: Scene) -> str:
    """The same, and a part is left for our sweep."""
    return _take_accepted(scene, scene.percent, alibi=0)


def _take_accepted(scene: Scene, percent: int, alibi: int) -> str:
    """From one that waits for our sweep; else from one that is paid and accepted now."""
    waiting = [till for till in scene.world.tills if _waits_for_sweep(scene, till)]
    if waiting:
        return _take(replace(scene, till=waiting[scene.percent % len(waiting)]), percent, alibi)
    till, mint = scene.till, next(iter(scene.till.prices))
    if scene.web.status(till) != "initiated" or till.expires < scene.world.unix_time() + 60:
        return _NOTHING
    pay(scene, mint, till.prices[mint])
    scene.world.loop.pass_time(15)
    found = scene.web.verify(till, mint, "row")
    words = f"Customer {till.number} pays in {scene.world.symbol(mint)}: {found}."
    return f"{words} {_take(scene, percent, alibi)}" if _waits_for_sweep(scene, till) else words


def _waits_for_sweep(scene: Scene, till: Till) -> bool:
    return (
        scene.web.status(till) in ("confirmed", "finalized")
        and scene.world.state(till) == "processing_payment"
    )


def _take(scene: Scene, percent: int, alibi: int) -> str:
    house, till, thief = scene.house, scene.till, scene.stranger()
    held = scene.tokens()
    lamports = house.lamports(till.address)
    if held is not None and (scene.percent % 2 or not lamports):
        source, state = held
        taken = max(1, state.amount * percent // 100) - alibi
        if taken <= 0:
            return _NOTHING
        owner = till.address
        own, his = (house.create_ata(one, state.mint) for one in (scene.world.receiver, thief))
        moves = [moved_tokens(house, source, state, his, taken, owner)]
        if alibi:
            moves.append(moved_tokens(house, source, state, own, alibi, owner))
        house.send(moves, [till.keypair])
        return f"A thief takes {taken} of {state.amount} {scene.world.symbol(state.mint)} from wallet {till.number}."
    taken = _lamports_to_take(scene, lamports, percent)
    is_receiver_there = bool(house.lamports(scene.world.receiver))
    alibi = alibi if is_receiver_there else 0
    if taken - alibi <= scene.world.chain.minimum_balance(0):
        return _NOTHING
    sent: list[Instruction] = [moved_sol(till.keypair, thief, taken - alibi)]
    if alibi:
        sent.append(moved_sol(till.keypair, scene.world.receiver, alibi))
    house.send(sent, [till.keypair])
    return f"A thief takes {taken - alibi} of {lamports} lamports from wallet {till.number}."


def _lamports_to_take(scene: Scene, lamports: int, percent: int) -> int:
    """All, or what leaves enough for the wallet to exist."""
    if percent == 100:
        return lamports
    return min(lamports * percent // 100, lamports - scene.world.chain.minimum_balance(0))
