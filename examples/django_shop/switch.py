#!/usr/bin/env python
"""A shop switches from the peer's cron commands to ours, by the steps of docs/switching.md, and loses nothing.

The Django project beside this file takes orders on an embedded chain. Its crontab runs the peer's commands, then,
after three lines of settings, ours under the same names. In between the mail server of one signal receiver is
down, the webhook's receiver is down, and the delivering process is killed right after a POST. At the end every
receiver has been told of every payment exactly once; the webhook's receiver saw the killed event twice, with one
id, which is how it knows.

Run it: python examples/django_shop/switch.py
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.management import call_command  # noqa: F401 - Django is needed; say so at once
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from standardwebhooks import Webhook, WebhookVerificationError

from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline.localnet.tools.seed import Seed

HERE = Path(__file__).parent
SECRET = "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY="
CRONTAB = [
    "close_expired_solana_payments_with_wallets",
    "send_solana_payments_from_one_time_wallets",
    "close_expired_one_time_wallets_and_reclaim_funds",
    "recheck_initiated_solana_payments",
]


class Receiver:
    """The webhook's receiver: verifies, and takes each id once."""

    def __init__(self):
        self.is_down = False
        self.kill_sender = None
        self.posts = Counter()
        self.taken = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                if receiver.is_down:
                    self.send_error(503)
                    return
                try:
                    event = Webhook(SECRET).verify(body, dict(self.headers))
                except WebhookVerificationError:
                    # Also what a killed sender leaves: headers, and half of a body.
                    self.send_error(400)
                    return
                receiver.posts[self.headers["webhook-id"]] += 1
                receiver.taken.setdefault(self.headers["webhook-id"], event)
                if receiver.kill_sender is not None:
                    receiver.kill_sender()
                    return
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_port}/events"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Shop:
    """The Django project, each command a process of its own, as cron runs it."""

    def __init__(self, environment):
        self.environment = environment
        self.settings = "django_shop.settings_before"

    def start(self, *arguments, **more):
        environment = {**os.environ, **self.environment, **more, "DJANGO_SETTINGS_MODULE": self.settings}
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=HERE,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def manage(self, *arguments, code=0, **more):
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=300)
        assert process.returncode == code, f"{arguments} ended with {process.returncode}: {out}{err}"
        return out

    def json(self, *arguments):
        return json.loads(self.manage(*arguments).splitlines()[-1])

    def cron(self, *commands, **more):
        for command in commands:
            self.manage(command, "--sleep", "0.01", **more)


def main():
    chain = Chain(ChainConfig(slot_seconds=0.05))
    seed, fee_payer, home = Seed(chain), Keypair(), Keypair().pubkey()
    seed.airdrop(fee_payer.pubkey(), 10**10)
    seed.airdrop(home, 10**9)
    receiver = Receiver()
    with tempfile.TemporaryDirectory() as folder, running(chain) as node:
        shop = Shop(
            {
                "SHOP_DATABASE": f"{folder}/shop.sqlite3",
                "SHOP_RPC_URL": node.url,
                "SHOP_RECEIVER": str(home),
                "SHOP_FEE_PAYER": fee_payer.to_json(),
                "SHOP_WALLET_KEY": Fernet.generate_key().decode(),
                "SHOP_WEBHOOK_URL": receiver.url,
                "SHOP_WEBHOOK_SECRET": SECRET,
                "PYTHONPATH": os.pathsep.join(
                    filter(None, [str(HERE.parents[1]), os.environ.get("PYTHONPATH")])
                ),
            }
        )

        def pay(order):
            seed.airdrop(Pubkey.from_string(order["address"]), 10**8)
            chain.advance(chain.config.confirmed_lag + 1)

        step("1. Before: the peer's commands from cron")
        shop.manage("migrate", "-v0")
        shop.manage("shop", "open")
        old_paid, old_unpaid, still_open = shop.json("shop", "order", "3")
        pay(old_paid)
        shop.manage("shop", "time-out", str(old_unpaid["payment"]))
        shop.cron(CRONTAB[0], CRONTAB[3])
        show(shop)

        step("2. The switch: settings_after.py, solpay init, solpay doctor; the crontab stays as it is")
        shop.settings = "django_shop.settings_after"
        print(shop.manage("solpay", "init"), shop.manage("solpay", "doctor"), sep="")

        step("3. After: new orders, while the mail server and the webhook's receiver are down")
        new_paid, new_unpaid = shop.json("shop", "order", "2")
        pay(new_paid)
        pay(still_open)
        shop.manage("shop", "time-out", str(new_unpaid["payment"]))
        receiver.is_down = True
        shop.cron(*CRONTAB, SHOP_MAIL_IS_DOWN="1")
        print(shop.manage("solpay", "events", "list"))

        step("4. All is up again; the delivering process is killed right after its first POST")
        receiver.is_down = False
        shop.manage("solpay", "events", "retry")
        process = shop.start("solpay", "events", "deliver")
        receiver.kill_sender = lambda: os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=300)
        assert process.returncode == -signal.SIGKILL
        receiver.kill_sender = None

        step("5. The next delivery")
        shop.manage("solpay", "events", "retry")
        print(shop.manage("solpay", "events", "deliver"))
        shop.cron(CRONTAB[3])
        told = show(shop)
        check(told, receiver, old=(old_paid, old_unpaid), new=(new_paid, new_unpaid, still_open), shop=shop)
    print("every receiver was told of every payment exactly once")


def check(told, receiver, *, old, new, shop):
    old_paid, old_unpaid = (order["payment"] for order in old)
    new_paid, new_unpaid, still_open = (order["payment"] for order in new)
    paid, unpaid = {old_paid, new_paid, still_open}, {old_unpaid, new_unpaid}
    expected = sorted(
        [["deliver_goods", payment] for payment in paid]
        + [["send_receipt", payment] for payment in paid]
        + [["release_stock", payment] for payment in unpaid]
    )
    assert told["notices"] == expected, told["notices"]
    assert told["paid_orders"] == sorted(paid)
    kinds = Counter((event["type"], event["data"]["payment_id"]) for event in receiver.taken.values())
    assert set(kinds.values()) == {1}, kinds
    assert {key for key in kinds if key[0].startswith("payment.")} == {
        ("payment.accepted", new_paid),
        ("payment.accepted", still_open),
        ("payment.finalized", new_paid),
        ("payment.finalized", still_open),
        ("payment.expired", new_unpaid),
    }, kinds
    # Swept and closed wallets are told as well, those that the peer left to us too.
    assert ("wallet.swept", new_paid) in kinds
    listed = json.loads(shop.manage("solpay", "events", "list", "--state", "delivered", "--json"))
    assert {event["id"] for event in listed} == set(receiver.taken)
    again = {event_id: times for event_id, times in receiver.posts.items() if times > 1}
    assert again, "the killed delivery was never repeated"
    print(f"{len(receiver.taken)} events by webhook, {len(again)} of them posted twice with one id")


def show(shop):
    told = shop.json("shop", "tell")
    print(json.dumps(told))
    return told


def step(words):
    print(f"\n== {words}", flush=True)


if __name__ == "__main__":
    main()
