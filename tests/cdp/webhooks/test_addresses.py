import socket
from ipaddress import ip_address, ip_network

import pytest
from django.core.exceptions import ValidationError

from cdp.webhooks.addresses import ForbiddenAddressError, may_reach, reachable_addresses, target_of, validate_url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com/",
        "http://example.com/",
        "https:///path",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://ann:secret@example.com/",
        "https://example.com/#part",
        "https://example.com/a b",
        "https://example.com/\r\nX-Evil: 1",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "http://127.0.0.1/",
    ],
)
def test_an_address_that_no_webhook_may_have_is_refused(url):
    with pytest.raises(ValidationError):
        validate_url(url)


@pytest.mark.parametrize(
    "url",
    ["https://example.com", "https://例子.中国:8443/钩子?a=1", "https://[2606:4700::1111]/", "http://localhost:9/"],
)
def test_a_good_address_is_taken(url):
    validate_url(url)


def test_a_setting_allows_http_and_networks(settings):
    settings.WEBHOOK_ALLOW_HTTP, settings.WEBHOOK_NETWORKS = True, (ip_network("10.0.0.0/8"),)

    validate_url("http://10.1.2.3/")

    with pytest.raises(ValidationError):
        validate_url("http://192.168.0.1/")


def test_a_target_has_what_goes_over_the_line():
    target = target_of("https://例子.中国:8443/钩子?a=1")

    assert (target.host, target.port, target.authority) == (
        "xn--fsqu00a.xn--fiqs8s",
        8443,
        "xn--fsqu00a.xn--fiqs8s:8443",
    )
    assert target.path == "/%E9%92%A9%E5%AD%90?a=1"
    assert target_of("http://[::1]").authority == "[::1]"


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "2002:7f00:1::",
     "2002:a00:1::", "64:ff9b::7f00:1"],
)  # fmt: skip
def test_what_is_not_public_is_not_reached(address):
    assert not may_reach(ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_what_is_public_is_reached(address):
    assert may_reach(ip_address(address))


def answers(*addresses):
    return lambda host, port, **kwargs: [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses
    ]


def test_a_name_leads_to_its_public_addresses_only(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", answers("10.0.0.1", "1.1.1.1"))

    assert reachable_addresses(target_of("https://example.com/")) == [ip_address("1.1.1.1")]


def test_a_name_that_leads_inside_is_refused(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", answers("10.0.0.1", "127.0.0.1"))

    with pytest.raises(ForbiddenAddressError):
        reachable_addresses(target_of("https://example.com/"))


def test_http_stays_on_this_machine(monkeypatch, settings):
    settings.WEBHOOK_NETWORKS = (ip_network("127.0.0.0/8"),)
    monkeypatch.setattr(socket, "getaddrinfo", answers("127.0.0.1", "1.1.1.1"))

    assert reachable_addresses(target_of("http://localhost/")) == [ip_address("127.0.0.1")]
