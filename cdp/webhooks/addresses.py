"""Where a webhook may send: by https, and to nobody inside our own network, whatever a name resolves to."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.encoding import iri_to_uri
from django.utils.translation import gettext as _

Address = IPv4Address | IPv6Address
NAT64 = ip_network("64:ff9b::/96")
HIGHEST_PORT = 65_535


class ForbiddenAddressError(Exception):
    """The address lies in a network that webhooks may not reach."""


@dataclass(frozen=True)
class Target:
    """What of a URL is needed to ask there; `authority` is the Host header, `path` has the query."""

    is_https: bool
    host: str
    port: int
    authority: str
    path: str


def target_of(url: str) -> Target:
    """The parts of a URL. Raises ValueError where it is none that a webhook could have."""
    parts = urlsplit(url)
    port = parts.port
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError(url)
    host = parts.hostname if ":" in parts.hostname else parts.hostname.encode("idna").decode()
    named = f"[{host}]" if ":" in host else host
    is_https = parts.scheme == "https"
    path = iri_to_uri(f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}")
    return Target(is_https, host, port or (443 if is_https else 80), named + (f":{port}" if port else ""), path)


def validate_url(url: str) -> None:
    """For forms and serializers: what can be told without asking anybody. Names are checked each time one is asked."""
    if any(character <= " " or character == "\x7f" for character in url):
        raise ValidationError(_("Must not hold spaces."))
    try:
        target, parts = target_of(url), urlsplit(url)
    except ValueError as error:
        raise ValidationError(_("Must be an address such as https://example.com/hooks.")) from error
    if "@" in parts.netloc:
        raise ValidationError(_("Must not hold a name or a password: messages are signed instead."))
    if parts.fragment:
        raise ValidationError(_("Must not hold a part after #, which is never sent."))
    literal = _literal(target.host)
    if literal is not None and not may_reach(literal):
        raise ValidationError(_("Lies in a private network; WEBHOOK_NETWORKS may allow it."))
    is_own_machine = target.host == "localhost" or (literal is not None and literal.is_loopback)
    if not target.is_https and not settings.WEBHOOK_ALLOW_HTTP and not is_own_machine:
        raise ValidationError(_("Must start with https://, so that nobody reads or changes messages on their way."))


def reachable_addresses(target: Target) -> list[Address]:
    """The addresses of the host that may be reached, to connect to these and no others: asked again, a name may answer
    otherwise.

    Raises:
        OSError: the name is unknown.
        ForbiddenAddressError: it leads to forbidden networks only, or http leaves this machine without leave.
    """
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found)
    allowed = [address for address in addresses if may_reach(address) and _may_be_plain(target, address)]
    if not allowed:
        raise ForbiddenAddressError(target.host)
    return allowed


def may_reach(address: Address) -> bool:
    """Whether it is public, or in one of `settings.WEBHOOK_NETWORKS`."""
    inner = _inner(address)
    if any(each in network for each in (address, inner) for network in settings.WEBHOOK_NETWORKS):
        return True
    return all(each.is_global and not each.is_multicast for each in (address, inner))


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one leads to, where it is such."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)


def _may_be_plain(target: Target, address: Address) -> bool:
    return target.is_https or settings.WEBHOOK_ALLOW_HTTP or _inner(address).is_loopback


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
