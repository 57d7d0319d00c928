"""The webhook, against real HTTP servers on this machine."""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from solpay_pipeline.events.message import Message, Undelivered
from solpay_pipeline.events.sinks.addresses import is_public
from solpay_pipeline.events.sinks.webhook import WebhookSink
from solpay_pipeline_tests.rooms.events.ground import OLD_SECRET, SECRET, START, Receiver, receiving

MESSAGE = Message("evt_1", "payment.accepted", START, {"payment_id": 7, "received": {"SOL": "100000000"}})


def post(url: str, *secrets: str, **how: object) -> Undelivered | None:
    with sink_to(url, *secrets, **how) as sink:
        told: list[Undelivered | None] = []
        sink.send([MESSAGE], lambda _, trouble: told.append(trouble))
    [trouble] = told
    return trouble


@contextmanager
def sink_to(url: str, *secrets: str, **how: object) -> Iterator[WebhookSink]:
    sink = WebhookSink(SecretStr(url), [SecretStr(one) for one in secrets or (SECRET,)], **how)  # type: ignore[arg-type]
    try:
        yield sink
    finally:
        sink.close()


def test_a_post_is_signed_so_that_the_receiver_can_verify_it(receiver: Receiver):
    assert post(receiver.url) is None

    [(path, headers, body)] = receiver.requests
    assert receiver.accepted == [headers["webhook-id"]] == ["evt_1"]
    assert path == "/hooks/token-of-the-path"
    assert headers["host"].startswith("localhost:")
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {
        "id": "evt_1",
        "type": "payment.accepted",
        "timestamp": "2026-11-22T12:00:00+00:00",
        "data": {"payment_id": 7, "received": {"SOL": "100000000"}},
    }


@pytest.mark.parametrize("known", [SECRET, OLD_SECRET])
def test_with_two_secrets_a_receiver_that_knows_either_verifies(receiver: Receiver, known: str):
    receiver.verify_with = known

    assert post(receiver.url, SECRET, OLD_SECRET) is None
    assert receiver.accepted == ["evt_1"]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 410, 429, 500, 503])
def test_only_2xx_counts(receiver: Receiver, status: int):
    receiver.status = status
    receiver.headers = {"location": receiver.url + "/elsewhere"}

    trouble = post(receiver.url)

    assert trouble is not None
    assert str(status) in str(trouble)
    assert len(receiver.requests) == 1, "a redirect is not followed"


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_2xx_counts(receiver: Receiver, status: int):
    receiver.status = status

    assert post(receiver.url) is None


def test_a_receiver_that_hangs_is_left_after_the_time_limit(receiver: Receiver):
    receiver.answers = [30.0]

    trouble = post(receiver.url, timeout=0.2)

    assert trouble is not None
    assert trouble.is_down
    assert str(trouble) == "no answer within 0.2 s"


def test_a_receiver_that_is_away_is_told_without_its_url():
    with receiving() as gone:
        url = gone.url

    trouble = post(url)

    assert trouble is not None
    assert trouble.is_down
    assert "token-of-the-path" not in f"{trouble!r}{trouble}"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", (120, 120)),
        ("9999999", (86_400, 86_400)),
        ("in an hour", (3_500, 3_601)),
        ("soon", None),
    ],
)
def test_retry_after_is_heard(receiver: Receiver, header: str, seconds: tuple[int, int] | None):
    if header == "in an hour":
        header = (datetime.now(UTC) + timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    receiver.status, receiver.headers = 503, {"retry-after": header}

    trouble = post(receiver.url)

    assert trouble is not None
    if seconds is None:
        assert trouble.retry_after is None
    else:
        assert trouble.retry_after is not None
        assert seconds[0] <= trouble.retry_after <= seconds[1]


@pytest.mark.parametrize(
    "host",
    ["10.0.0.1", "192.168.1.5", "169.254.169.254", "127.0.0.2", "0.0.0.0", "[::ffff:10.0.0.1]", "[fd00::1]"],
)
def test_private_addresses_are_refused(host: str):
    trouble = post(f"https://{host}/hook")

    assert trouble is not None
    assert "SOLPAY_WEBHOOK_ALLOW_PRIVATE" in str(trouble)


def test_private_addresses_are_allowed_where_the_settings_say_so(receiver: Receiver):
    url = receiver.url.replace("localhost", "127.1")

    assert post(url) is not None
    assert post(url, allow_private=True) is None


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:a00:1::", False),
        ("::ffff:192.168.0.1", False),
        ("::1", False),
        ("::127.0.0.1", False),
        ("::93.184.216.34", True),
        ("::ffff:93.184.216.34", True),
        ("::ffff:0:10.0.0.1", False),
        ("64:ff9b::127.0.0.1", False),
        ("64:ff9b:1::5db8:d822", False),
        ("64:ff9b:1:ffff::1", False),
        ("fec0::1", False),
        ("feff::1", False),
        ("fc00::1", False),
        ("2002:7f00:1::1", False),
        ("2002:5db8:d822::1", True),
        ("2001:0:7f00:1:0:ffff:a247:28dd", False),
        ("2001:0:5db8:d822:0:ffff:f5ff:fffe", False),
        ("100::1", False),
        ("3fff::1", False),
        ("5f00::1", False),
        ("ff0e::1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_an_address_is_public_only_with_all_that_is_inside_it(address: str, public: bool):
    assert is_public(address) is public


def test_a_proxy_of_the_settings_is_used_and_one_of_the_environment_is_not(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    proxy = SecretStr(receiver.url.replace("/hooks/token-of-the-path", ""))
    monkeypatch.setenv("HTTP_PROXY", proxy.get_secret_value())
    nowhere = "http://localhost:9/hook"

    assert post(nowhere) is not None
    assert receiver.requests == []
    assert post(nowhere, proxy=proxy) is None
    assert [path for path, _, _ in receiver.requests] == [nowhere]


def test_several_messages_go_side_by_side_over_connections_that_stay_open(receiver: Receiver):
    messages = [Message(f"evt_{n}", "payment.expired", START, {"payment_id": n}) for n in range(24)]
    told: list[object] = []
    with sink_to(receiver.url) as sink:
        for start in range(0, 24, sink.at_once):
            sink.send(messages[start : start + sink.at_once], lambda _, trouble: told.append(trouble))

    assert told == [None] * 24
    assert sorted(receiver.accepted) == sorted(message.id for message in messages)


def test_the_certificate_is_checked_for_the_name_and_not_for_the_address(tmp_path: Path):
    server, client = _certificates(tmp_path, "localhost")
    with receiving(server) as receiver:
        assert post(receiver.url, tls=client) is None
        trouble = post(receiver.url)

    assert trouble is not None, "a certificate of nobody known"
    assert receiver.accepted == ["evt_1"]


def test_a_certificate_of_another_name_is_refused(tmp_path: Path):
    server, client = _certificates(tmp_path, "another.test")
    with receiving(server) as receiver:
        trouble = post(receiver.url, tls=client)

    assert trouble is not None
    assert receiver.requests == []


def test_the_secret_and_the_path_are_in_no_repr(receiver: Receiver):
    with sink_to(receiver.url) as sink:
        assert "token-of-the-path" not in repr(sink)


def _certificates(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for `name`, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate_file, key_file)
    client = ssl.create_default_context(cafile=str(certificate_file))
    return server, client
