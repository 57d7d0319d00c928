"""Posts events to a URL, signed after Standard Webhooks (github.com/standard-webhooks/standard-webhooks, spec 1.0).

Only a 2xx answer counts. A redirect is an answer like any other that is not 2xx. What goes wrong is told without
the URL, whose path may be a secret.
"""

import asyncio
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx2
from pydantic import SecretStr
from standardwebhooks import Webhook

from solpay_pipeline.events.message import Message, Report, Undelivered
from solpay_pipeline.events.sinks.addresses import resolve

REQUEST_SECONDS = 15.0
"""For one request from name to answer. Standard Webhooks recommends 15 to 30 seconds."""

AT_ONCE = 8
"""Requests side by side: enough to hide a receiver's latency, few enough for a small one."""

LONGEST_RETRY_AFTER = 86_400.0
"""Seconds; a receiver that asks for more than a day is asked again after one."""

_ANSWER_BYTES = 65_536
"""So much of an answer is read to keep the connection; nothing in it matters."""

_DOWN: Final = frozenset({408, 429, 502, 503, 504})
"""Answers that tell of the receiver as a whole, not of this event."""


class WebhookSink:
    """One webhook. With several secrets each message carries a signature by each, so that they can be changed."""

    name = "webhook"
    at_once = AT_ONCE
    patience = REQUEST_SECONDS + 5

    def __init__(
        self,
        url: SecretStr,
        secrets: Sequence[SecretStr],
        *,
        allow_private: bool = False,
        proxy: SecretStr | None = None,
        timeout: float = REQUEST_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`timeout` is in seconds for a whole request; `tls` replaces the public certificate authorities.

        A `proxy` is the operator's, and looks the name up itself: where it leads is for the proxy to allow.
        """
        self._url = httpx2.URL(url.get_secret_value())
        self._signers = [Webhook(secret.get_secret_value()) for secret in secrets]
        self._allow_private = allow_private
        self._proxy = None if proxy is None else proxy.get_secret_value()
        self._timeout = timeout
        self._tls = tls
        self._runner = asyncio.Runner()
        self._client: httpx2.AsyncClient | None = None

    def __repr__(self) -> str:
        """Scheme and host, never the path."""
        return f"WebhookSink({self._url.scheme}://{self._url.host})"

    def send(self, messages: Sequence[Message], report: Report) -> None:
        """Post them side by side; each is reported as soon as its answer is there."""
        self._runner.run(self._send(messages, report))

    def look_up(self) -> list[str]:
        """The addresses that it would be posted to; nothing is sent. Raises `Undelivered`."""
        return self._runner.run(self._addresses())

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._runner.run(self._client.aclose())
            self._client = None
        self._runner.close()

    async def _send(self, messages: Sequence[Message], report: Report) -> None:
        async with asyncio.TaskGroup() as group:
            for message in messages:
                group.create_task(self._post_and_report(message, report))

    async def _post_and_report(self, message: Message, report: Report) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await self._post(message)
        except Undelivered as undelivered:
            report(message, undelivered)
        except TimeoutError:
            report(message, Undelivered(f"no answer within {self._timeout:g} s", is_down=True))
        else:
            report(message, None)

    async def _post(self, message: Message) -> None:
        body = message.encoded()
        failure = "no connection"
        for address in await self._addresses():
            try:
                status, retry_after = await self._exchange(address, body, self._headers(message, body))
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failure = f"no connection ({type(error).__name__})"
                continue
            except httpx2.HTTPError as error:
                raise Undelivered(f"the request failed ({type(error).__name__})", is_down=True) from None
            _judge(status, retry_after)
            return
        raise Undelivered(failure, is_down=True)

    async def _addresses(self) -> list[str]:
        """Those that were checked; by a proxy the name alone. Raises `Undelivered`."""
        if self._proxy is not None:
            return [self._url.host]
        return await resolve(self._url.host, self._port(), allow_private=self._allow_private)

    async def _exchange(self, address: str, body: str, headers: dict[str, str]) -> tuple[int, str | None]:
        """Status and Retry-After of one request to the address that was checked, by the name that was configured."""
        host = self._url.host
        request = self._open_client().build_request(
            "POST",
            self._url.copy_with(host=address),
            content=body.encode(),
            headers={**headers, "host": self._url.netloc.decode()},
            extensions={} if address == host else {"sni_hostname": host},
        )
        response = await self._open_client().send(request, stream=True)
        try:
            read = 0
            async for piece in response.aiter_raw():
                read += len(piece)
                if read > _ANSWER_BYTES:
                    break
        finally:
            await response.aclose()
        return response.status_code, response.headers.get("retry-after")

    def _headers(self, message: Message, body: str) -> dict[str, str]:
        now = datetime.now(UTC)
        signatures = [signer.sign(msg_id=message.id, timestamp=now, data=body) for signer in self._signers]
        return {
            "content-type": "application/json",
            "user-agent": "solpay-pipeline",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

    def _open_client(self) -> httpx2.AsyncClient:
        if self._client is None:
            # Proxies of the environment would look the name up themselves, past the check; one of the settings may.
            self._client = httpx2.AsyncClient(
                trust_env=False,
                proxy=self._proxy,
                follow_redirects=False,
                timeout=self._timeout,
                verify=self._tls if self._tls is not None else True,
            )
        return self._client

    def _port(self) -> int:
        return self._url.port or (443 if self._url.scheme == "https" else 80)


def _judge(status: int, retry_after: str | None) -> None:
    if 200 <= status < 300:
        return
    note = "; redirects are not followed" if 300 <= status < 400 else ""
    raise Undelivered(
        f"the receiver answered {status}{note}",
        is_down=status in _DOWN,
        retry_after=_seconds(retry_after) if retry_after and status in _DOWN else None,
    )


def _seconds(retry_after: str) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3: a number or a date); None where it is neither."""
    if retry_after.isdecimal():
        return min(float(retry_after), LONGEST_RETRY_AFTER)
    try:
        when = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return min(max(0.0, (aware - datetime.now(UTC)).total_seconds()), LONGEST_RETRY_AFTER)
