import pytest

from solpay_pipeline.chain import courier


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slots take 20 ms here: what waits for one need not wait for twenty."""
    monkeypatch.setattr(courier, "FIRST_POLL_SECONDS", 0.04)
    monkeypatch.setattr(courier, "POLL_SECONDS", 0.04)
    monkeypatch.setattr(courier, "VERDICT_SECONDS", 0.1)
