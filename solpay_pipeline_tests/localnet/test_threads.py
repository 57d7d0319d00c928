"""Many clients at once see one chain, and the chain leaves its callers' threads as they were."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

from solders.keypair import Keypair

from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline.localnet.tools.seed import Seed
from solpay_pipeline_tests.localnet.ground import SOL, Caller, pay, signed


def test_no_payment_is_lost_between_servers_threads_and_seeds() -> None:
    chain = Chain(ChainConfig(slot_seconds=0.01))
    seed = Seed(chain)
    payers = [Keypair() for _ in range(4)]
    target = Keypair().pubkey()
    for payer in payers:
        seed.pay_sol(payer.pubkey(), 10 * SOL)

    with running(chain) as node:

        def send(payer: Keypair) -> None:
            rpc = Caller(node.url)
            for number in range(10):
                blockhash, _ = chain.latest_blockhash()
                wire = signed([pay(payer, target, SOL // 10 + number)], blockhash, [payer])
                rpc.send(wire, preflightCommitment="processed")
                seed.pay_sol(target, SOL)
            rpc.http.close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(send, payers))
        assert node.calls["sendTransaction"] == 40
        assert node.connections == 4
    assert seed.lamports(target) == 4 * sum(SOL // 10 + number + SOL for number in range(10))
    assert len(list(chain.history.newest_first(target))) == 80


def test_sqlite_still_reads_decimals_in_a_thread_that_used_the_chain() -> None:
    seed = Seed(Chain(ChainConfig(clock="manual")))
    mint = seed.create_mint()
    for _ in range(3):
        seed.pay_token(Keypair().pubkey(), mint, 5)
    connection = sqlite3.connect(":memory:")
    connection.execute("create table price (amount real)")
    connection.execute("insert into price values ('0.1')")
    assert connection.execute("select amount from price").fetchall() == [(0.1,)]
    connection.close()
