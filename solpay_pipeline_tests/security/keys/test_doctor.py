"""`solpay doctor` looks at the places that events go to and at the fee payer's signer, and sends nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from solpay_pipeline.cli.doctor import Check, examine
from solpay_pipeline_tests.rooms.events.ground import SECRET, receiving
from solpay_pipeline_tests.security.keys.vault_server import TOKEN, running_vault
from solpay_pipeline_tests.shop import Shop, open_shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with open_shop(tmp_path) as shop:
        yield shop


def checks_of(environment: dict[str, str]) -> dict[str, Check]:
    return {check.name: check for check in examine(environment)}


def test_sinks_that_can_be_reached_and_imported_are_well_and_get_nothing(shop: Shop):
    with receiving() as receiver:
        checks = checks_of(
            shop.environment()
            | {
                "SOLPAY_WEBHOOK_URL": receiver.url,
                "SOLPAY_WEBHOOK_SECRET": SECRET,
                "SOLPAY_EVENT_HANDLERS": "json:dumps",
            }
        )

    assert checks["events: webhook"].passed
    assert checks["events: webhook"].words.startswith("its host has the address ")
    assert checks["events: python:json:dumps"].passed
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("sinks", "name", "words"),
    [
        ({"SOLPAY_WEBHOOK_URL": "https://no-such-host.invalid/hook"}, "webhook", "has no address"),
        (
            {"SOLPAY_WEBHOOK_URL": "https://10.0.0.1/hook"},
            "webhook",
            "leads to an address that is not on the public internet; set SOLPAY_WEBHOOK_ALLOW_PRIVATE=true",
        ),
        (
            {"SOLPAY_EVENT_HANDLERS": "no_such_package.events:tell"},
            "python:no_such_package.events:tell",
            "SOLPAY_EVENT_HANDLERS: no_such_package.events cannot be imported: No module named 'no_such_package'",
        ),
        (
            {"SOLPAY_EVENT_HANDLERS": "json:tell"},
            "python:json:tell",
            "SOLPAY_EVENT_HANDLERS: json has no function tell",
        ),
    ],
)
def test_a_sink_that_cannot_work_is_told_before_an_event_needs_it(
    shop: Shop, sinks: dict[str, str], name: str, words: str
):
    more = {"SOLPAY_WEBHOOK_SECRET": SECRET} if name == "webhook" else {}

    check = checks_of(shop.environment() | more | sinks)[f"events: {name}"]

    assert not check.passed
    assert words in check.words


def test_the_signer_is_asked_for_its_key_and_signs_nothing(shop: Shop):
    with running_vault(shop.deployment.fee_payer.keypair()) as vault:
        environment = shop.environment() | {
            "SOLPAY_FEE_PAYER_SIGNER": vault.place,
            "SOLPAY_FEE_PAYER_ADDRESS": str(shop.deployment.fee_payer.pubkey),
            "SOLPAY_FEE_PAYER_SIGNER_TOKEN": TOKEN,
        }
        del environment["SOLPAY_FEE_PAYER_KEYPAIR"]

        assert all(check.passed for check in examine(environment))
        assert vault.signed == []
        vault.is_sealed = True
        check = checks_of(environment)["fee payer's signer"]

    assert not check.passed
    assert "gives no answer, or has no key of" in check.words
