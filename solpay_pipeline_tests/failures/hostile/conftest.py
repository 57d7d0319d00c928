import pytest

from solpay_pipeline.chain.sending import broadcast


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slots take 20 ms here: what waits for one need not wait for twenty."""
    monkeypatch.setattr(broadcast, "FIRST_POLL_SECONDS", 0.04)
    monkeypatch.setattr(broadcast, "POLL_SECONDS", 0.04)
    monkeypatch.setattr(broadcast, "VERDICT_SECONDS", 0.1)
