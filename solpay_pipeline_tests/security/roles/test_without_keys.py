"""What starts and works without a key: everything but the signing itself, which is one line then."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline_tests.command_line.warm import Warm
from solpay_pipeline_tests.rooms.events.ground import SECRET
from solpay_pipeline_tests.security.roles.ground import (
    ELSEWHERE,
    OPERATING,
    WATCHING,
    Role,
    commands,
    environment_of,
)
from solpay_pipeline_tests.shop import Shop, open_shop

NO_KEY = "no key is in the environment of this process"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with open_shop(tmp_path) as made:
        made.accept_sol()
        yield made


@pytest.fixture
def read_only(postgres_url: str) -> Iterator[str]:
    """The same database for a user who may read it and nothing else."""
    user = f"watcher_{urlsplit(postgres_url).path.strip('/')}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'watch'")
        connection.execute(f"GRANT pg_read_all_data TO {user}")
    parts = urlsplit(postgres_url)
    host = parts.netloc.rpartition("@")[2]
    yield urlunsplit(parts._replace(netloc=f"{user}:watch@{host}"))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {user}")
        connection.execute(f"DROP ROLE {user}")


def test_the_tables_of_commands_have_each_of_them() -> None:
    assert commands() == WATCHING.keys() | OPERATING.keys() | ELSEWHERE.keys()


@pytest.mark.postgres
def test_what_only_looks_works_without_a_key_and_for_a_database_user_who_may_only_read(
    warm: Warm, tmp_path: Path, postgres_url: str, read_only: str
) -> None:
    with open_shop(tmp_path, database_url=postgres_url) as shop:
        shop.accept_sol()
        shop.accepted_and_paid(None)
        assert warm.run(shop.environment(), "sweep").returncode == 0
        shop.pay_sol(shop.new_payment())
        shop.accepted_and_paid(None)
        environment = environment_of(shop, Role.WATCH) | {"SOLPAY_DATABASE_URL": read_only}
        ended = {name: warm.run(environment, *args) for name, args in WATCHING.items()}
        failed = {name: one.stderr + one.stdout for name, one in ended.items() if one.returncode}

    assert failed == {}
    assert "solpay_fee_payer_lamports" in ended["metrics"].stdout
    assert "holds no key" in ended["doctor"].stdout
    assert "accepted" in ended["recheck"].stdout
    assert "would move 100000000 lamports" in ended["sweep"].stdout


@pytest.mark.parametrize("name", OPERATING)
def test_what_signs_nothing_works_without_a_key(warm: Warm, shop: Shop, name: str) -> None:
    webhook = {"SOLPAY_WEBHOOK_URL": "https://hooks.test", "SOLPAY_WEBHOOK_SECRET": SECRET}

    ended = warm.run(environment_of(shop, Role.OPERATE) | webhook, *OPERATING[name])

    assert (ended.returncode, ended.stderr) == (0, "")


def test_without_a_key_payments_are_credited_and_expired_and_what_would_move_is_left_and_counted(
    warm: Warm, shop: Shop
) -> None:
    paid, unpaid = shop.new_payment(), shop.new_payment()
    (accepted,) = shop.accepted_and_paid(None)
    shop.pay_sol(paid)
    shop.wait(hours=1)

    ended = warm.run(environment_of(shop, Role.OPERATE), "maintain", "--json")

    assert ended.returncode == 1
    expire, sweep, reclaim = ended.json()
    assert (expire["accepted"], expire["expired"], sweep["kept_back"]) == (1, 1, 2)
    assert sweep["blocked"].startswith("the money of 2 wallets is not sent: no key is in the environment")
    assert expire["blocked"] is reclaim["blocked"] is None
    assert shop.status(unpaid) == "expired"
    assert shop.received() == shop.seed.lamports(shop.receiver)
    assert {shop.state(paid), shop.state(accepted)} == {"processing_payment"}
    assert shop.transactions() == []

    assert warm.run(environment_of(shop, Role.SIGN), "maintain").returncode == 0
    assert {shop.state(paid), shop.state(accepted)} == {"sent_funds"}


def test_tokens_for_which_the_receiver_has_no_account_wait_too_and_their_wallets_stay_as_they_are(
    warm: Warm, shop: Shop
) -> None:
    (customer,) = shop.accepted_and_paid(shop.accept_mint())

    ended = warm.run(environment_of(shop, Role.OPERATE), "sweep", "--json")

    assert ended.returncode == 1
    assert NO_KEY in ended.json()[0]["blocked"]
    assert shop.state(customer) == "processing_payment"
    assert shop.findings() == []


def test_accounts_of_expired_payments_wait_for_a_key(warm: Warm, shop: Shop) -> None:
    mint = shop.accept_mint()
    customer = shop.new_payment()
    shop.wait(hours=1)

    ended = warm.run(environment_of(shop, Role.OPERATE), "expire", "--json")

    assert (ended.json()[0]["expired"], ended.json()[0]["kept_back"]) == (1, 1)
    assert (shop.status(customer), shop.state(customer)) == ("expired", "payment_expired")
    assert shop.has_account(customer, mint)


def test_rent_that_went_to_the_fee_payer_is_no_lost_money_to_a_process_that_does_not_know_him(
    warm: Warm, shop: Shop
) -> None:
    mint = shop.accept_mint()
    (customer,) = shop.accepted_and_paid(mint)
    assert warm.run(shop.environment(), "sweep").returncode == 0
    assert not shop.has_account(customer, mint)
    shop.set_state(customer, WalletState.PROCESSING_PAYMENT)
    shop.set_status(customer, PaymentStatus.EXPIRED)

    ended = warm.run(environment_of(shop, Role.OPERATE), "sweep", "--json")

    assert ended.json()[0]["set_aside"] == []


def test_one_key_alone_is_a_signer_that_lacks_the_other(warm: Warm, shop: Shop) -> None:
    settings = environment_of(shop, Role.OPERATE)
    keys = shop.environment()
    for given, missing in (
        ("SOLPAY_FEE_PAYER_KEYPAIR", "SOLPAY_WALLET_KEYS"),
        ("SOLPAY_WALLET_KEYS", "SOLPAY_FEE_PAYER_KEYPAIR"),
    ):
        ended = warm.run(settings | {given: keys[given]}, "sweep")
        assert ended.returncode == 2
        assert ended.stderr.startswith(f"{missing}: is missing")


def test_an_address_that_is_not_that_of_a_plain_keypair_is_found_without_a_key(
    warm: Warm, shop: Shop
) -> None:
    customer, other = shop.new_payment(), shop.new_payment()
    shop.change_wallet(customer, keypair_json=other.keypair.to_json())
    shop.pay_sol(customer)

    warm.run(environment_of(shop, Role.OPERATE), "recheck")

    assert shop.status(customer) == "initiated"
    assert "key_mismatch" in shop.codes(customer)


def test_an_address_that_is_not_that_of_a_sealed_keypair_is_found_before_its_money_moves(
    warm: Warm, shop: Shop
) -> None:
    customer, other = shop.new_payment(), shop.new_payment()
    shop.change_payment(customer, payment_address=str(other.address))
    shop.pay_sol(other)
    shop.change_payment(other, payment_address=str(customer.address))

    warm.run(environment_of(shop, Role.OPERATE), "recheck")
    assert shop.status(customer) == "confirmed"

    before = shop.received()
    assert warm.run(shop.environment(), "sweep").returncode == 1
    assert shop.received() == before
    assert "key_mismatch" in shop.codes(customer)
