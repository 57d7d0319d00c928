"""Where a webhook's host name leads, and whether a server of ours may be sent there.

A name is looked up once for each request and the address that was checked is the one connected to, so that a name
that changes in between leads nowhere else (OWASP, "Server-Side Request Forgery Prevention": DNS pinning).
"""

import asyncio
import ipaddress
import socket

from solpay_pipeline.events.message import Undelivered

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
"""This very machine: allowed, since the operator wrote it into the settings on purpose."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are the IPv4 address that is really reached."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


async def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """The addresses of a host, best first.

    Raises `Undelivered` where there is none, and where one of them is not on the public internet and that is not
    allowed.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Undelivered(
            f"the webhook's host name has no address ({type(error).__name__})", is_down=True
        ) from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not allow_private:
        local = host.lower() in LOCAL_NAMES
        refused = [one for one in addresses if not _is_allowed(one, local=local)]
        if refused:
            raise Undelivered(
                "the webhook's host leads to an address that is not on the public internet; set "
                "SOLPAY_WEBHOOK_ALLOW_PRIVATE=true if that is meant",
                is_down=True,
            )
    return addresses


def is_public(text: str) -> bool:
    """Tell whether an address, and any IPv4 address inside it, is on the public internet."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return all(one.is_global and not one.is_multicast for one in (address, *_inside(address)))


def _is_allowed(text: str, *, local: bool) -> bool:
    if local:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    return is_public(text)


def _inside(address: Address) -> list[Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return []
    inside: list[Address | None] = [address.ipv4_mapped, address.sixtofour]
    if address.teredo is not None:
        inside.extend(address.teredo)
    if address in _NAT64:
        inside.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in inside if one is not None]
