"""Where a webhook's host name leads, and whether a server of ours may be sent there.

A name is looked up once for each request and the address that was checked is the one connected to, so that a name
that changes in between leads nowhere else (OWASP, "Server-Side Request Forgery Prevention": DNS pinning).
"""

import asyncio
import ipaddress
import socket
from typing import Final

from solpay_pipeline.events.message import Undelivered

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
"""This very machine: allowed, since the operator wrote it into the settings on purpose."""

_WITH_AN_IPV4_BEHIND: Final = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "::/96",  # IPv4-compatible, RFC 4291, 2.5.5.1
            "::ffff:0:0/96",  # IPv4-mapped, RFC 4291, 2.5.5.2
            "::ffff:0:0:0/96",  # IPv4-translated, RFC 2765, 2.1
            "64:ff9b::/96",  # NAT64, RFC 6052, 2.1
        ),
    )
)
"""The last 32 bits are the IPv4 address that is really reached."""

_NOT_PUBLIC: Final = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "64:ff9b:1::/48",  # NAT64 within a network, RFC 8215
            "fec0::/10",  # site-local, RFC 3879
            "100::/64",  # discarded, RFC 6666
            "100:0:0:1::/64",  # a dummy prefix, RFC 9780
            "3fff::/20",  # for documents, RFC 9637
            "5f00::/16",  # segment routing within a domain, RFC 9602
        ),
    )
)
"""What Python's `is_global` leaves out, or only newer versions of it know."""

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
    inside = _inside(address)
    # Of the forms that only carry an IPv4 address, some count as global and some do not; what they carry decides.
    carrier = [] if _carries_only(address) else [address]
    return all(map(_is_global, [*carrier, *inside]))


def _is_allowed(text: str, *, local: bool) -> bool:
    if local:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    return is_public(text)


def _is_global(address: Address) -> bool:
    is_listed = isinstance(address, ipaddress.IPv6Address) and any(address in one for one in _NOT_PUBLIC)
    return address.is_global and not address.is_multicast and not is_listed


def _carries_only(address: Address) -> bool:
    return isinstance(address, ipaddress.IPv6Address) and any(address in one for one in _WITH_AN_IPV4_BEHIND)


def _inside(address: Address) -> list[Address]:
    """The IPv4 addresses that a packet to this one reaches, or passes by."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    inside: list[Address | None] = [address.sixtofour, *(address.teredo or ())]
    if _carries_only(address):
        inside.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in inside if one is not None]
