"""The example shop: the switch by the steps of docs/switching.md, and what every receiver was told in the end."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SWITCH = Path(__file__).resolve().parents[3] / "examples" / "django_shop" / "switch.py"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_shop_that_switches_loses_no_event_and_gets_none_twice():
    ended = subprocess.run(
        [sys.executable, str(SWITCH)], capture_output=True, text=True, timeout=390, check=False
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.endswith("every receiver was told of every payment exactly once\n")
    assert re.search(r"9 events by webhook, [1-9] of them posted twice with one id", ended.stdout)
