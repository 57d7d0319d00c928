"""Makes the part of docs/events.md that tells what stands in each event: `python -m ...events.documentation`."""

import json
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from solpay_pipeline.events.bodies import BODIES, ReceiverChanged, schema_of
from solpay_pipeline.events.message import Message
from solpay_pipeline.localnet.chain.config import ChainConfig
from solpay_pipeline_tests.shop import Shop, open_shop

PAGE = Path(__file__).resolve().parents[3] / "docs" / "events.md"
START = "<!-- made by solpay_pipeline_tests/rooms/events/documentation.py -->\n"
CONFIG = ChainConfig(slot_seconds=0.02, finalized_lag=200)
"""Of a chain that can fork: finality is far enough for a run to end before it."""

_HEAD = "4f5aa9ae0d3c6bb0b6c7c3ae14a7c1f1f0ee7f9b35b0f1a5d8c2e94f2b7a1c66"


def happened(shop: Shop) -> dict[str, dict[str, Any]]:
    """A shop in which one of each kind happens; one whole event by kind."""
    shop.accept_sol()
    mint = shop.accept_mint()
    paid, short, _unpaid = shop.new_payment(), shop.new_payment(), shop.new_payment()
    shop.pay_token(paid, mint, "6")
    shop.pay_sol(short, "0.04")
    shop.settle_chain()
    shop.run("recheck")
    _taken_back_by_a_fork(shop)
    shop.wait(hours=1)
    shop.maintain()
    rows = {
        row.kind: Message(row.event_id, row.kind, row.created_at, row.body).as_json() for row in shop.events()
    }
    failed = {
        "run_id": "7c0fd1c2-5c5e-4d4e-9f53-6a0d3b1f3a11",
        "job": "sweep_job",
        "steps": {"verdict": "1 set aside, all else is done"},
        "set_aside": "1",
        "what_to_do": "all else is done; look at what was set aside in the run's page, mend it, and launch the job again",
        "audit_head": _HEAD,
    }
    when = shop.events()[-1].created_at + timedelta(seconds=1)
    rows["ops.run_failed"] = Message("evt_" + "0" * 32, "ops.run_failed", when, failed).as_json()
    changed = ReceiverChanged.of(
        shop.receiver, "allowed", when, "the shop's new hardware wallet", _HEAD
    ).as_json()
    rows["ops.receiver_changed"] = Message("evt_" + "1" * 32, "ops.receiver_changed", when, changed).as_json()
    return rows


def _taken_back_by_a_fork(shop: Shop) -> None:
    """What is paid here is accepted, and gone when the chain goes on."""
    paid = shop.new_payment()
    shop.settle_chain()
    before = shop.chain.tick()
    shop.settle_chain()
    shop.pay_sol(paid)
    shop.settle_chain()
    shop.run("recheck", forward_funds=False)
    shop.chain.fork(before)
    shop.finalize_chain()


def rendered(examples: dict[str, dict[str, Any]]) -> str:
    """One section for each kind."""
    parts = []
    for kind, body in BODIES.items():
        example = json.dumps(examples[kind], indent=2)
        schema = json.dumps(schema_of(kind), indent=2)
        parts.append(
            f"## `{kind}`\n\n{(body.__doc__ or '').strip()}\n\n```json\n{example}\n```\n\n<details><summary>JSON schema "
            f"of <code>data</code></summary>\n\n```json\n{schema}\n```\n\n</details>\n"
        )
    return "\n".join(parts)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, open_shop(Path(folder), config=CONFIG) as made:
        text = rendered(happened(made))
    PAGE.write_text(PAGE.read_text().partition(START)[0] + START + "\n" + text)
