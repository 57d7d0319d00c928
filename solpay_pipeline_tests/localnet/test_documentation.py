"""docs/localnet.md says what there is: each method, fault, admin call and option."""

from pathlib import Path
from typing import get_args

from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.rpc.methods import METHODS
from solpay_pipeline.localnet.rpc.subscriptions import Subscriptions
from solpay_pipeline.localnet.rpc.view import View
from solpay_pipeline.localnet.server.admin import ADMIN_METHODS
from solpay_pipeline.localnet.server.faults import PRESETS, FaultKind

TEXT = (Path(__file__).parents[2] / "docs" / "localnet.md").read_text()


def test_every_method_fault_and_admin_call_is_documented() -> None:
    subscriptions = Subscriptions(View(Chain(ChainConfig(clock="manual"))))
    names = [*METHODS, *get_args(FaultKind), *ADMIN_METHODS, *PRESETS, *subscriptions.methods()]
    assert [name for name in names if name not in TEXT] == []
