import base64
import logging
import traceback

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from solders.keypair import Keypair

from solpay_pipeline.settings.model import SETTINGS, BadSetting, Settings, bad_settings
from solpay_pipeline_tests.rooms.settings.environments import (
    COMPLETE,
    DATABASE_PASSWORD,
    FEE_PAYER,
    FIRST_KEY,
    PROXY_PASSWORD,
    RECEIVER,
    RPC_TOKEN,
    SMALLEST,
    WEBHOOK_SECRET,
    secrets_in,
)

MISMATCHED = [*bytes(FEE_PAYER)[:32], *bytes(Keypair.from_seed(bytes(32)).pubkey())]
SHORT_SECRET = "whsec_" + base64.b64encode(b"too short").decode()

BAD = [
    ("SOLPAY_DATABASE_URL", "shop.sqlite3", "is not a sqlite:///, postgresql:// or postgres:// URL"),
    ("SOLPAY_DATABASE_URL", f"mysql://u:{DATABASE_PASSWORD}@h/db", "is not a sqlite:///, postgresql://"),
    ("SOLPAY_DATABASE_URL", f"postgresql://u:{DATABASE_PASSWORD}@h:port/db", "is not a sqlite:///"),
    ("SOLPAY_DATABASE_URL", "postgresql+asyncpg://h/db", "is not a sqlite:///"),
    ("SOLPAY_DATABASE_URL", f"postgresql://u:a@{DATABASE_PASSWORD}#c@host/db", "write @ as %40"),
    ("SOLPAY_DATABASE_URL", f"postgresql://u:a@{DATABASE_PASSWORD}/c@host/db", "write @ as %40"),
    ("SOLPAY_DATABASE_URL", f"postgresql://u:a@b?{DATABASE_PASSWORD}@host/db", "write @ as %40"),
    ("SOLPAY_DATABASE_URL", f"postgresql://u/x:{DATABASE_PASSWORD}@host/db", "write @ as %40"),
    ("SOLPAY_RPC_URLS", f"https://me:1/{RPC_TOKEN}@rpc.test", "write @ as %40"),
    ("SOLPAY_RPC_URLS", f"https://me:1#{RPC_TOKEN}@rpc.test", "write @ as %40"),
    ("SOLPAY_RPC_URLS", f"https://me:a@{RPC_TOKEN}@rpc.test", "write @ as %40"),
    ("SOLPAY_WEBHOOK_URL", f"https://me:1?{RPC_TOKEN}@hooks.test", "write @ as %40"),
    ("SOLPAY_DATABASE_URL", f"postgresql://u:{DATABASE_PASSWORD}@h", "names no database"),
    ("SOLPAY_DATABASE_URL", "sqlite://", "names no file"),
    ("SOLPAY_DATABASE_URL", "sqlite:///:memory:", "names no file"),
    ("SOLPAY_DATABASE_URL", "sqlite:///file:x?mode=memory&uri=true", "names no file"),
    ("SOLPAY_RPC_URLS", f"wss://rpc.test/{RPC_TOKEN}", "is not an http:// or https:// URL with a host"),
    ("SOLPAY_RPC_URLS", f"https:///{RPC_TOKEN}", "is not an http:// or https:// URL with a host"),
    ("SOLPAY_RPC_URLS", f"https://rpc.test:{RPC_TOKEN}/", "is not an http:// or https:// URL"),
    ("SOLPAY_RPC_URLS", f"https://rpc.test/ {RPC_TOKEN}", "is not an http:// or https:// URL"),
    ("SOLPAY_RPC_URLS", "https://rpc.test,", "entry 2 of 2 is empty"),
    ("SOLPAY_RPC_URLS", "https://a.test,ftp://b.test", "entry 2 of 2 is not an http:// or https:// URL"),
    ("SOLPAY_RPC_URLS", "https://a.test, https://a.test", "entry 2 of 2 is the same as entry 1"),
    ("SOLPAY_RECEIVER_ADDRESS", "abc", "'abc' is not a base58 Solana address (32 bytes)"),
    ("SOLPAY_RECEIVER_ADDRESS", "0" * 44, "is not a base58 Solana address"),
    ("SOLPAY_RECEIVER_ADDRESS", "1" * 32, "is the system program; money sent there would be lost"),
    ("SOLPAY_RECEIVER_ADDRESS", "1nc1nerator11111111111111111111111111111111", "is the incinerator"),
    ("SOLPAY_RECEIVER_ADDRESS", "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA", "is the SPL Token program"),
    ("SOLPAY_RECEIVER_ADDRESS", "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", "is the mint of USDC"),
    ("SOLPAY_RECEIVER_ADDRESS", "SysvarC1ock11111111111111111111111111111111", "is a sysvar"),
    ("SOLPAY_FEE_PAYER_KEYPAIR", "no/such/file.json", "is neither a JSON array of 64 numbers, nor base58"),
    ("SOLPAY_FEE_PAYER_KEYPAIR", str(FEE_PAYER)[:-2], "is neither a JSON array of 64 numbers, nor base58"),
    ("SOLPAY_FEE_PAYER_KEYPAIR", f"{FEE_PAYER.to_json()[:-1]}", "is not a valid JSON array"),
    ("SOLPAY_FEE_PAYER_KEYPAIR", str(list(bytes(FEE_PAYER)[:32])), "is not a JSON array of 64 numbers"),
    ("SOLPAY_FEE_PAYER_KEYPAIR", str([1.0] * 64), "is not a JSON array of 64 numbers from 0 to 255"),
    ("SOLPAY_FEE_PAYER_KEYPAIR", str([256] * 64), "is not a JSON array of 64 numbers from 0 to 255"),
    ("SOLPAY_FEE_PAYER_KEYPAIR", str(MISMATCHED), "public half does not belong to its secret half"),
    ("SOLPAY_FEE_PAYER_KEYPAIR", "x" * 5000, "is neither a JSON array"),
    ("SOLPAY_FEE_PAYER_KEYPAIR", "~nobody-at-all/key.json", "is neither a JSON array"),
    ("SOLPAY_WALLET_KEYS", f"{FIRST_KEY},{FIRST_KEY[:-4]}", "entry 2 of 2 is not a Fernet key"),
    ("SOLPAY_WALLET_KEYS", "schlüssel", "is not a Fernet key"),
    ("SOLPAY_CLUSTER", "mainnet", "'mainnet' is not mainnet-beta, devnet, testnet, localnet, or a genesis"),
    ("SOLPAY_COMMITMENT", "recent", "'recent' is not processed or confirmed or finalized"),
    ("SOLPAY_ACCEPTANCE_COMMITMENT", "processed", "'processed' is not confirmed or finalized"),
    ("SOLPAY_RPC_LONGEST_WAIT", "long", "'long' is not a number of seconds above 0 and at most 300"),
    ("SOLPAY_RPC_TIMEOUT", "soon", "'soon' is not a number of seconds above 0 and at most 300"),
    ("SOLPAY_RPC_TIMEOUT", "0", "is not a number of seconds above 0"),
    ("SOLPAY_RPC_TIMEOUT", "301", "is not a number of seconds above 0 and at most 300"),
    ("SOLPAY_RPC_TIMEOUT", "nan", "is not a number of seconds"),
    ("SOLPAY_RPC_LONGEST_WAIT", "3600", "is not a number of seconds above 0 and at most 300"),
    ("SOLPAY_RPC_RATE_LIMIT", "-1", "'-1' is not a number of requests a second (0 for no limit)"),
    ("SOLPAY_RPC_RATE_LIMIT", "inf", "is not a number of requests a second"),
    ("SOLPAY_RPC_HEADERS", RPC_TOKEN, "header 1 is not name=value"),
    ("SOLPAY_RPC_HEADERS", f"x-key={RPC_TOKEN}", "does not say for which of the 2 hosts of SOLPAY_RPC_URLS"),
    ("SOLPAY_RPC_HEADERS", f'{{"x-key": "{RPC_TOKEN}"}}', "does not say for which of the 2 hosts"),
    (
        "SOLPAY_RPC_HEADERS",
        f'{{"three.test": {{"x-key": "{RPC_TOKEN}"}}}}',
        "names as host 1 one that is not in",
    ),
    (
        "SOLPAY_RPC_HEADERS",
        f'{{"one.rpc.test": {{"x-key": ["{RPC_TOKEN}"]}}}}',
        "is not a JSON object of strings",
    ),
    ("SOLPAY_RPC_HEADERS", f'{{"x-key": "{RPC_TOKEN}"', "is not a valid JSON object"),
    ("SOLPAY_RPC_HEADERS", '{"x-key": 5}', "is not a JSON object of strings"),
    ("SOLPAY_RPC_HEADERS", f"x key={RPC_TOKEN}", "header 1 has a name that HTTP does not allow"),
    (
        "SOLPAY_RPC_HEADERS",
        f'{{"x-key": "{RPC_TOKEN}\\r\\nHost: x"}}',
        "header 1 has a value with characters",
    ),
    ("SOLPAY_RPC_HEADERS", f"X-Key={RPC_TOKEN},x-key=b", "header 2 is given twice"),
    ("SOLPAY_RPC_PROXY", "proxy.test:3128", "is not an http:// or https:// URL with a host"),
    ("SOLPAY_PAYMENT_TABLE", "shop; drop table x", "is not a table as Django names one"),
    ("SOLPAY_PAYMENT_TABLE", "payments", "is not a table as Django names one"),
    ("SOLPAY_PAYMENT_TABLE", "shop_" + "p" * 45, "is not a table as Django names one (app_model, up to 49"),
    ("SOLPAY_TOKEN_TABLE", "1shop_token", "'1shop_token' is not a table as Django names one"),
    (
        "SOLPAY_TOKEN_TABLE",
        "django_solana_payments_solanapayment",
        "is the same table as SOLPAY_PAYMENT_TABLE",
    ),
    ("SOLPAY_TRANSACTION_VERSION", "2", "'2' is not 0 or 1"),
    ("SOLPAY_TRANSACTION_VERSION", "legacy", "'legacy' is not 0 or 1"),
    ("SOLPAY_FEE_PAYER_SIGNER", "my-key", "'my-key' does not begin with vault:, aws-kms:, gcp-kms:"),
    ("SOLPAY_FEE_PAYER_SIGNER", "vault:https://vault.test", "is no vault:https://host:8200/key"),
    ("SOLPAY_FEE_PAYER_SIGNER", "vault:http://vault.test/key", "must be https://"),
    (
        "SOLPAY_FEE_PAYER_SIGNER",
        "vault:https://me:pass-word-77aa@vault.test/key",
        "has a user or a query in its URL",
    ),
    ("SOLPAY_FEE_PAYER_SIGNER", "aws-kms:", "does not begin with"),
    ("SOLPAY_FEE_PAYER_SIGNER", "gcp-kms:a key", "names a key with a blank in it"),
    ("SOLPAY_FEE_PAYER_ADDRESS", "nobody", "'nobody' is not a base58 Solana address (32 bytes)"),
    ("SOLPAY_FEE_PAYER_ADDRESS", str(RECEIVER), "is not the address of SOLPAY_FEE_PAYER_KEYPAIR"),
    ("SOLPAY_FEE_PAYER_SIGNER_TOKEN", "two words", "is no token: one word of printable characters"),
    ("SOLPAY_FEE_PAYER_SIGNER_TOKEN", "hvs.word", "is given, but SOLPAY_FEE_PAYER_SIGNER is not"),
    ("SOLPAY_RECEIVER_DELAY", "a day", "'a day' is not a whole number of hours from 0 to 8760"),
    ("SOLPAY_MAX_SPENT_PER_RUN", "0", "'0' is not a whole number of lamports of 1 or more"),
    ("SOLPAY_MAX_SPENT_PER_DAY", "0.1 SOL", "'0.1 SOL' is not a whole number of lamports of 1 or more"),
    (
        "SOLPAY_MAX_PRIORITY_FEE",
        "1.5",
        "'1.5' is not a whole number of lamports (not micro-lamports) from 0 to 100000000",
    ),
    ("SOLPAY_MAX_PRIORITY_FEE", "-5", "'-5' is not a whole number of lamports"),
    ("SOLPAY_MAX_PRIORITY_FEE", "100000001", "lamports (not micro-lamports) from 0 to 100000000"),
    (
        "SOLPAY_UNDERPAYMENT_TOLERANCE",
        "a bit",
        "'a bit' is not `0.5%`, `SOL:1000` (lamports), or `MINT:1000`",
    ),
    (
        "SOLPAY_UNDERPAYMENT_TOLERANCE",
        "1000000",
        "'1000000' is not `0.5%`, `SOL:1000` (lamports), or `MINT:1000`",
    ),
    (
        "SOLPAY_UNDERPAYMENT_TOLERANCE",
        "6%",
        "at most 5% of a price",
    ),
    ("SOLPAY_WATCH_DAYS", "-1", "'-1' is not a whole number of days from 0 to 3650"),
    ("SOLPAY_WATCH_DAYS", "3651", "'3651' is not a whole number of days from 0 to 3650"),
    ("SOLPAY_WEBHOOK_URL", "ftp://hooks.test", "is not an http:// or https:// URL with a host"),
    ("SOLPAY_WEBHOOK_SECRET", "whsec_!!!", "is not a secret of Standard Webhooks"),
    ("SOLPAY_WEBHOOK_SECRET", SHORT_SECRET, "is a secret of 9 bytes; Standard Webhooks asks for 24 to 64"),
    ("SOLPAY_WEBHOOK_SECRET", WEBHOOK_SECRET[:-1], "is not a secret of Standard Webhooks"),
    (
        "SOLPAY_EVENT_HANDLERS",
        "shop.events.on_event",
        "'shop.events.on_event' is not package.module:function",
    ),
    ("SOLPAY_EVENT_HANDLERS", "shop.a:b,c", "entry 2 of 2 'c' is not package.module:function"),
    ("SOLPAY_WEBHOOK_ALLOW_PRIVATE", "yes", "'yes' is not true or false"),
    ("SOLPAY_EVENT_HANDLER_TIMEOUT", "0", "'0' is not a whole number of seconds from 1 to 600"),
    ("SOLPAY_WEBHOOK_PROXY", f"socks5://me:{PROXY_PASSWORD}@proxy.test", "is not an http:// or https:// URL"),
    ("SOLPAY_EVENT_TRIES", "0", "'0' is not a whole number of tries from 1 to 1000"),
    ("SOLPAY_EVENT_TRIES", "some", "'some' is not a whole number of tries"),
    ("SOLPAY_DJANGO_SETTINGS", "shop/settings.py", "'shop/settings.py' is not a module's name"),
    ("SOLPAY_MAINTENANCE_CRON", "every day", "'every day' is not a cron expression of five fields"),
    ("SOLPAY_MAINTENANCE_CRON", "61 * * * *", "'61 * * * *' is not a cron expression of five fields"),
    ("SOLPAY_MAINTENANCE_CRON", "0 0 3 * * *", "is not a cron expression of five fields"),
    ("SOLPAY_MAINTENANCE_CRON", "0 0 30 2 *", "is not a cron expression of five fields"),
    ("SOLPAY_REPORTS_CRON", "hourly", "'hourly' is not a cron expression of five fields"),
    ("SOLPAY_MAINTENANCE_TIMEZONE", "Mars/Olympus", "is not a time zone such as UTC or Europe/Berlin"),
    ("SOLPAY_MAINTENANCE_TIMEZONE", "Europe", "'Europe' is not a time zone such as UTC or Europe/Berlin"),
    ("SOLPAY_MAINTENANCE_TIMEZONE", "../etc/passwd", "is not a time zone"),
    ("SOLPAY_MAINTENANCE_TIMEZONE", "zone.tab", "is not a time zone"),
    ("SOLPAY_MAINTENANCE_TIMEZONE", "x" * 300, "is not a time zone"),
    ("SOLPAY_RECHECK_INTERVAL", "1", "'1' is not a whole number of seconds from 5 to 86400"),
    ("SOLPAY_RECHECK_INTERVAL", "1e3", "'1e3' is not a whole number of seconds"),
    ("SOLPAY_RECHECK_PAGE", "0", "'0' is not a whole number of payments from 1 to 5000"),
    ("SOLPAY_AUTOMATION_RUNNING", "yes", "'yes' is not true or false"),
]


def complaint_of(environ: dict[str, str]) -> BadSetting:
    with pytest.raises(BadSetting) as caught:
        Settings.from_environment(environ)
    return caught.value


@pytest.mark.parametrize(("name", "value", "problem"), BAD)
def test_a_bad_setting_is_one_line_that_names_it_and_shows_no_secret(name, value, problem):
    bad = complaint_of(SMALLEST | {name: value})

    assert str(bad).startswith(f"{name}: ")
    assert problem in str(bad)
    assert "\n" not in str(bad)
    assert secrets_in(str(bad)) == []
    assert bad.name == name


def test_there_is_a_bad_value_here_for_every_setting():
    assert {name for name, _, _ in BAD} == {spec.name for spec in SETTINGS}


@pytest.mark.parametrize("name", SMALLEST)
def test_a_missing_required_setting_is_named(name):
    bad = complaint_of({key: value for key, value in SMALLEST.items() if key != name})

    assert str(bad).startswith(f"{name}: is missing")


@pytest.mark.parametrize("name", [name for name in SMALLEST if name != "SOLPAY_WALLET_KEYS"])
def test_an_empty_required_setting_is_named(name):
    assert str(complaint_of(SMALLEST | {name: "  "})) == f"{name}: is empty"


def test_forgotten_wallet_keys_never_mean_plain_text():
    bad = complaint_of({key: value for key, value in SMALLEST.items() if key != "SOLPAY_WALLET_KEYS"})

    assert str(bad) == "SOLPAY_WALLET_KEYS: is missing; leave it empty if keypairs are stored unencrypted"


def test_a_webhook_without_a_secret_is_refused():
    bad = complaint_of(SMALLEST | {"SOLPAY_WEBHOOK_URL": COMPLETE["SOLPAY_WEBHOOK_URL"]})

    assert str(bad) == "SOLPAY_WEBHOOK_SECRET: is missing, and SOLPAY_WEBHOOK_URL needs it to sign"


def test_a_webhook_secret_without_a_webhook_is_refused():
    bad = complaint_of(SMALLEST | {"SOLPAY_WEBHOOK_SECRET": WEBHOOK_SECRET})

    assert str(bad) == "SOLPAY_WEBHOOK_URL: is missing, though SOLPAY_WEBHOOK_SECRET is given"


@pytest.mark.parametrize("host", ["hooks.shop.test", "localhost.shop.test", "127.0.0.1.shop.test"])
def test_a_webhook_elsewhere_must_be_encrypted(host):
    bad = complaint_of(COMPLETE | {"SOLPAY_WEBHOOK_URL": f"http://{host}/hook"})

    assert str(bad) == "SOLPAY_WEBHOOK_URL: must be https:// (http:// is for localhost only)"


def test_a_misspelt_setting_is_not_silently_ignored():
    bad = complaint_of(SMALLEST | {"SOLPAY_MAX_PRIORTY_FEE": "1"})

    assert str(bad) == "SOLPAY_MAX_PRIORTY_FEE: is no setting; did you mean SOLPAY_MAX_PRIORITY_FEE?"


def test_a_variable_of_somebody_else_is_left_alone():
    Settings.from_environment(SMALLEST | {"SOLPAY_HOME_PAGE": "x", "PATH": "/bin"})


def test_a_file_that_cannot_be_read_as_a_keypair_is_told_without_its_content(tmp_path):
    file = tmp_path / "payer.json"
    file.write_bytes(b"\xff\xfe" + bytes(FEE_PAYER))

    bad = complaint_of(SMALLEST | {"SOLPAY_FEE_PAYER_KEYPAIR": str(file)})

    assert str(bad) == "SOLPAY_FEE_PAYER_KEYPAIR: names a file that cannot be read (not text)"


@pytest.mark.parametrize("secret", [str(FEE_PAYER), FEE_PAYER.to_json(), FIRST_KEY, WEBHOOK_SECRET])
@pytest.mark.parametrize("name", [spec.name for spec in SETTINGS])
def test_a_secret_in_the_wrong_variable_is_not_repeated(name, secret):
    for bad in bad_settings(SMALLEST | {name: secret}):
        assert secrets_in(str(bad)) == []


def test_everything_wrong_is_listed_at_once_for_a_check_up():
    environ = SMALLEST | {"SOLPAY_RPC_URL": "x", "SOLPAY_CLUSTER": "moon", "SOLPAY_RPC_TIMEOUT": "-1"}

    assert [bad.name for bad in bad_settings(environ)] == [
        "SOLPAY_RPC_URL",
        "SOLPAY_CLUSTER",
        "SOLPAY_RPC_TIMEOUT",
    ]


@pytest.mark.parametrize(("name", "value", "problem"), BAD)
def test_nothing_secret_hides_in_the_exceptions_chain(name, value, problem, caplog):
    del problem
    try:
        Settings.from_environment(SMALLEST | {name: value})
    except BadSetting as error:
        bad = error
        logging.getLogger("solpay_pipeline").exception("settings")

    assert bad.__cause__ is None
    assert bad.__context__ is None
    printed = "".join(traceback.format_exception(bad)) + repr(bad) + caplog.text
    assert secrets_in(printed) == []
    assert "pydantic" not in printed


@given(
    name=st.sampled_from([spec.name for spec in SETTINGS]),
    value=st.text(max_size=120),
)
@example(name="SOLPAY_FEE_PAYER_KEYPAIR", value="[" * 100_000)
@example(name="SOLPAY_RPC_HEADERS", value='{"a":' * 100_000)
@example(name="SOLPAY_FEE_PAYER_KEYPAIR", value="\x00")
@example(name="SOLPAY_RPC_URLS", value="http://[")
@example(name="SOLPAY_DATABASE_URL", value="postgresql://h:٣/db")
@example(name="SOLPAY_RPC_TIMEOUT", value="1_0")
def test_whatever_is_typed_gives_settings_or_one_line(name, value):
    problems = bad_settings(COMPLETE | {name: value})

    for bad in problems:
        assert str(bad).startswith("SOLPAY_")
        assert str(bad).isprintable()
    if not problems:
        assert Settings.from_environment(COMPLETE | {name: value}).shown()
