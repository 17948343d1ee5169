"""Which network addresses a call to somebody else's host may go to: public ones, and nothing that only looks so.

Sources: IANA's special-purpose registries for IPv4 and IPv6 (RFC 6890 and what updates it), RFC 6052 (NAT64), RFC 3056
(6to4), RFC 4380 (Teredo), RFC 6598 (carrier-grade NAT). What carries an IPv4 address is judged by that one too.
"""

import ipaddress
from collections.abc import Iterable
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_CLOSED_V4: Final = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and in it the metadata servers of the clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
_OPEN_V6: Final = ipaddress.IPv6Network("2000::/3")
"""Global unicast. The rest is loopback, link-local, unique local (metadata servers too), multicast or reserved."""
_CLOSED_V6: Final = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # Teredo, benchmarking, ORCHID and whatever else IETF protocols were given
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
        "3ffe::/16",
    )
)


def public(address: Address) -> bool:
    """Return whether an address is one of the public internet, whatever it is written as."""
    if isinstance(address, ipaddress.IPv6Address):
        return address in _OPEN_V6 and not _within(address, _CLOSED_V6)
    return not _within(address, _CLOSED_V4)


def loopback(address: Address) -> bool:
    """Return whether an address is this very machine's."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _within(address: Address, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return any(address in network for network in networks)


def literal(host: str) -> Address | None:
    """Return the address that a host is written as, None for a name."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
