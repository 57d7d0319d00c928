"""docs/events.md says what the code does."""

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from solpay_pipeline.events.bodies import BODIES
from solpay_pipeline.ledger.outbox import EventKind
from solpay_pipeline_tests.rooms.events.documentation import CONFIG, PAGE, START, happened, rendered
from solpay_pipeline_tests.shop import open_shop


def documented() -> dict[str, dict]:
    """The examples of the page, by kind."""
    blocks = re.findall(r"```json\n(.*?)\n```", PAGE.read_text().partition(START)[2], re.DOTALL)
    return {block["type"]: block for block in map(json.loads, blocks) if "timestamp" in block}


def test_every_kind_of_event_has_a_schema():
    assert set(BODIES) == {kind.value for kind in EventKind}


def test_what_really_happens_fits_the_schemas(tmp_path: Path):
    with open_shop(tmp_path, config=CONFIG) as shop:
        examples = happened(shop)
        every = [(row.kind, row.body) for row in shop.events()]

    assert set(examples) == set(BODIES)
    for kind, body in every:
        BODIES[kind].model_validate(body)


def test_the_page_is_what_the_code_makes_of_its_examples():
    examples = documented()

    for kind, example in examples.items():
        BODIES[kind].model_validate(example["data"])
    assert PAGE.read_text().partition(START)[2].strip() == rendered(examples).strip()


def test_a_schema_refuses_what_it_does_not_know():
    body = documented()["payment.expired"]["data"]

    with pytest.raises(ValidationError):
        BODIES["payment.expired"].model_validate(body | {"keypair": "[1, 2, 3]"})
