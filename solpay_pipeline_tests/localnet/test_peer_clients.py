"""The peer's own client classes work against the embedded chain as they do against a validator."""

import json
import os
import subprocess
import sys
from pathlib import Path

from solders.keypair import Keypair

from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline.localnet.tools.seed import TOKEN, Seed
from solpay_pipeline_tests.localnet.ground import SOL


def test_the_peer_opens_pays_confirms_and_looks_up() -> None:
    chain = Chain(ChainConfig(slot_seconds=0.02))
    seed = Seed(chain)
    payer, sender = Keypair(), Keypair()
    for each in (payer, sender):
        seed.pay_sol(each.pubkey(), 10 * SOL)
    mint = seed.create_mint()
    seed.pay_token(sender.pubkey(), mint, 5_000_000)
    with running(chain) as node:
        environment = {
            "PEER_RPC_URL": node.url,
            "PEER_FEE_PAYER": payer.to_json(),
            "PEER_SENDER": sender.to_json(),
            "PEER_MINT": str(mint),
        }
        session = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("peer_session.py"))],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert session.returncode == 0, session.stderr
    seen = json.loads(session.stdout)
    assert seen["sol"] == "0.5"
    assert seen["token"] == "1.25"
    assert seen["owner"] == str(TOKEN)
    assert "Confirmed" in seen["status"] or "Finalized" in seen["status"]
    assert "transfer" in seen["instructions"][0] + seen["instructions"][1]
    assert seen["payer"] is True
