"""HashiCorp Vault's transit engine as far as a signer needs it, over HTTP, with a real ed25519 key.

After developer.hashicorp.com/vault/api-docs/secret/transit: `GET /v1/transit/keys/:name` and
`POST /v1/transit/sign/:name`, the token in `X-Vault-Token`, errors as `{"errors": [...]}`, 503 while sealed.
"""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from solders.keypair import Keypair

TOKEN = "hvs.a-token-of-vault"
KEY = "solpay-fee-payer"


@dataclass
class Vault:
    """`signed` are the messages it was asked to sign; `fails_after` is how many it signs before it is sealed."""

    keypair: Keypair
    url: str = ""
    signed: list[bytes] = field(default_factory=list)
    connections: int = 0
    is_sealed: bool = False
    fails_after: int | None = None
    signs_with: Keypair | None = None

    @property
    def place(self) -> str:
        return f"vault:{self.url}/{KEY}"

    def answer(self, method: str, path: str, token: str | None, body: bytes) -> tuple[int, dict[str, object]]:
        if self.is_sealed or (self.fails_after is not None and len(self.signed) >= self.fails_after):
            return 503, {"errors": ["Vault is sealed"]}
        if token != TOKEN:
            return 403, {"errors": ["permission denied"]}
        if (method, path) == ("GET", f"/v1/transit/keys/{KEY}"):
            return 200, {"data": self._description()}
        if (method, path) == ("POST", f"/v1/transit/sign/{KEY}"):
            message = base64.b64decode(json.loads(body)["input"])
            self.signed.append(message)
            signature = bytes((self.signs_with or self.keypair).sign_message(message))
            return 200, {
                "data": {"signature": f"vault:v1:{base64.b64encode(signature).decode()}", "key_version": 1}
            }
        return 404, {"errors": []}

    def _description(self) -> dict[str, object]:
        public = base64.b64encode(bytes(self.keypair.pubkey())).decode()
        return {
            "name": KEY,
            "type": "ed25519",
            "supports_signing": True,
            "latest_version": 1,
            "keys": {"1": {"name": "ed25519", "public_key": public}},
        }


@contextmanager
def running_vault(keypair: Keypair) -> Iterator[Vault]:
    vault = Vault(keypair)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            vault.connections += 1

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, body: bytes) -> None:
            status, content = vault.answer(self.command, self.path, self.headers.get("X-Vault-Token"), body)
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    vault.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield vault
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
