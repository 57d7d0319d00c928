"""The way to an endpoint: through a proxy of the settings or of the environment, and to nobody who cannot prove its name."""

import ipaddress
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from solpay_pipeline.chain.rpc import transport
from solpay_pipeline.chain.rpc.client import Endpoint, Rpc, RpcOptions
from solpay_pipeline.chain.rpc.errors import Unreachable
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline_tests.rooms.chain.scripted import ScriptedNode, result

pytestmark = pytest.mark.anyio

ELSEWHERE = Endpoint(SecretStr("http://rpc.test/v2/the-key-of-the-shop?also=a%2Fkey"))
FINALIZED = Commitment.FINALIZED


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def certificates(tmp_path: Path) -> Iterator[tuple[ssl.SSLContext, Path]]:
    """A server's side of TLS for 127.0.0.1, and the file of the one authority that vouches for it."""
    transport._certificates.cache_clear()
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a node")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority, secret = tmp_path / "authority.pem", tmp_path / "secret.pem"
    authority.write_bytes(certificate.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority, secret)
    yield tls, authority
    transport._certificates.cache_clear()


async def test_the_proxy_of_the_settings_is_asked_with_its_password_for_the_endpoint_as_it_is_written() -> (
    None
):
    async with ScriptedNode(getSlot=result(7)) as proxy:
        options = RpcOptions(proxy=SecretStr(f"http://shop:pass%20word@{proxy.host}"))
        async with Rpc([ELSEWHERE], options) as rpc:
            assert await rpc.slot(FINALIZED) == 7
        assert proxy.targets == ["http://rpc.test/v2/the-key-of-the-shop?also=a%2Fkey"]
        # "shop:pass word"
        assert proxy.headers[0]["proxy-authorization"] == "Basic c2hvcDpwYXNzIHdvcmQ="
        assert "authorization" not in proxy.headers[0]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("form", ["http://{}", "{}"])
async def test_a_proxy_of_the_environment_is_used_where_the_settings_name_none(
    monkeypatch: pytest.MonkeyPatch, variable: str, form: str
) -> None:
    async with ScriptedNode(getSlot=result(7)) as proxy:
        monkeypatch.setenv(variable.lower(), form.format(proxy.host))
        async with Rpc([ELSEWHERE]) as rpc:
            assert await rpc.slot(FINALIZED) == 7
        assert len(proxy.requests) == 1


async def test_no_proxy_is_used_for_what_the_environment_exempts(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedNode(getSlot=result(7)) as node:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        async with Rpc([node.endpoint()]) as rpc:
            assert await rpc.slot(FINALIZED) == 7


async def test_an_endpoint_with_a_certificate_that_is_trusted_is_asked(
    certificates: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, authority = certificates
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    async with ScriptedNode(tls, getSlot=result(7)) as node, Rpc([node.endpoint("/key")]) as rpc:
        assert await rpc.slot(FINALIZED) == 7
        assert node.targets == ["/key"]


async def test_an_endpoint_that_nobody_vouches_for_is_told_nothing(
    certificates: tuple[ssl.SSLContext, Path],
) -> None:
    tls, _ = certificates
    async with (
        ScriptedNode(tls, getSlot=result(7)) as node,
        Rpc([node.endpoint("/key")], RpcOptions(retry_window_seconds=0)) as rpc,
    ):
        with pytest.raises(Unreachable, match="broke off getSlot"):
            await rpc.slot(FINALIZED)
        assert node.requests == []
