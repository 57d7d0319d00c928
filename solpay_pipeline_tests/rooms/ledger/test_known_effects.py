"""What finalized transactions did comes back as it was, and is the wallet's that asked."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from solders.pubkey import Pubkey

from solpay_pipeline.ledger.seen import effects
from solpay_pipeline.lifecycle.evidence.effects import Change, Effect

WALLET, MINT, PAYER = (Pubkey.new_unique() for _ in range(3))
EFFECT = Effect(
    signature="5" * 88,
    slot=2**40,
    block_time=datetime(2026, 11, 28, 12, 0, tzinfo=UTC),
    fee=5_000,
    fee_payer=PAYER,
    changes=(
        Change(WALLET, WALLET, 0, 2**63),
        Change(PAYER, WALLET, 2_039_280, 0, MINT, 2**64 - 1, 0, closed=True),
    ),
)


@pytest.mark.parametrize("effect", [EFFECT, replace(EFFECT, block_time=None, changes=())])
def test_an_effect_comes_back_as_it_was(connection, effect):
    effects.keep(connection, WALLET, [effect])
    assert effects.of_address(connection, WALLET) == {effect.signature: effect}


def test_two_runs_may_keep_the_same(connection):
    effects.keep(connection, WALLET, [EFFECT])
    effects.keep(connection, WALLET, [EFFECT, replace(EFFECT, signature="another")])
    assert set(effects.of_address(connection, WALLET)) == {EFFECT.signature, "another"}


def test_other_wallets_know_nothing_of_it(connection):
    effects.keep(connection, WALLET, [EFFECT])
    effects.keep(connection, WALLET, [])
    assert effects.of_address(connection, PAYER) == {}
