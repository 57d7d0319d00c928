"""Fixtures that every test may ask for."""

import os
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

if TYPE_CHECKING:
    from solpay_pipeline_tests.command_line.warm import Warm

pytest_plugins = ["solpay_pipeline_tests.postgres"]


@pytest.fixture(scope="session", autouse=True)
def ears_for_ctrl_c() -> None:
    """A shell makes what it puts into the background deaf to SIGINT, and so all that tests start and then end by it."""
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def one_certificate_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Clients, and processes that tests start, trust one authority instead of the system's hundred and more.

    Parsing those takes 80 ms a client, most of the time of most tests; none of which speaks TLS.
    """
    key, now = Ed25519PrivateKey.generate(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, None)
    )
    path = tmp_path_factory.mktemp("authorities") / "one.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = str(path)
    yield
    if before is None:
        del os.environ["SSL_CERT_FILE"]
    else:
        os.environ["SSL_CERT_FILE"] = before


@pytest.fixture(scope="session")
def warm() -> Iterator["Warm"]:
    """`solpay` without its start. Imported where it is asked for: most tests need no Dagster."""
    from solpay_pipeline_tests.command_line.warm import warm_solpay

    with warm_solpay() as ready:
        yield ready
