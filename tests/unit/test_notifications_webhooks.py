"""Webhooks: what is signed and how, where calls may lead, when to try again and when to give up."""

from __future__ import annotations

import ipaddress
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.adapters.webhooks.addresses import literal, public
from shared.adapters.webhooks.sending import WebhookEndpoints
from shared.kernel.decision import By, Role
from shared.kernel.errors import Bug, Forbidden, NotFound
from shared.kernel.ids import EventId, MerchantId, ShopId, UserId, WebhookId
from shared.notifications import webhook_lifecycle as lifecycle
from shared.notifications.webhook_facts import DisableReason, WebhookDisabled
from shared.notifications.webhook_model import RegisterWebhook, UpdateWebhook, Webhook, WebhookView
from shared.notifications.webhook_signing import Recounted, body_of, genuine, headers_of, new_secret
from shared.settings import WebhookSettings

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
MERCHANT, SHOP = MerchantId.new(), ShopId.new()
OWNER = By(UserId.like(MERCHANT), frozenset({Role.OWNER}), MERCHANT)


def a_webhook(shop_id: ShopId | None = None) -> Webhook:
    command = RegisterWebhook(url="https://example.com/hook", events=("order.placed.v1",), shop_id=shop_id)
    fact = lifecycle.register(WebhookId.new(), command, sealed="c2VhbGVk", merchant=MERCHANT, by=OWNER, now=NOW)
    return lifecycle.evolve(None, fact)


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the specification: any library for it verifies what is sent here."""
    at = datetime.fromtimestamp(1614265330, UTC)
    body, secret = b'{"test": 2432232314}', "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = headers_of("msg_p5jXN8AQM9LWM0D4loKWxJek", body, [secret], now=at)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"
    assert genuine(headers, body, secret, now=at)


def test_what_was_changed_copied_late_or_signed_by_another_is_not_genuine() -> None:
    old, new, body = new_secret(), new_secret(), b'{"id":"evt_1"}'
    headers = headers_of("evt_1", body, [new, old], now=NOW)
    assert genuine(headers, body, old, now=NOW)
    assert genuine(headers, body, new, now=NOW + timedelta(minutes=5))
    assert not genuine(headers, body, new, now=NOW + timedelta(minutes=5, seconds=1))
    assert not genuine(headers, body, new, now=NOW - timedelta(minutes=6))
    assert not genuine(headers, body + b" ", new, now=NOW)
    assert not genuine(headers, body, new_secret(), now=NOW)
    assert not genuine({**headers, "webhook-id": "evt_2"}, body, new, now=NOW)
    assert not genuine({**headers, "webhook-timestamp": "1"}, body, new, now=NOW)
    assert not genuine({}, body, new, now=NOW)


def test_the_body_carries_the_fact_as_it_was_recorded() -> None:
    told = Recounted(EventId.new(), "order.ready.v1", "ord_1", 5, MERCHANT, NOW, b'{"order_id":"ord_1"}')
    said = json.loads(body_of(told))
    assert said["data"] == {"order_id": "ord_1"}
    assert (said["id"], said["sequence"], said["timestamp"]) == (told.id, "5", "2026-05-06T12:00:00Z")
    assert body_of(told) == body_of(told)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com:8443/a/b?c=d",
        "https://xn--kaffee-4ya.example/hook",
        "https://93.184.216.34/hook",
        "https://[2606:2800:220:1:248:1893:25c8:1946]/hook",
    ],
)
def test_addresses_of_the_public_internet_are_taken(url: str) -> None:
    assert RegisterWebhook(url=url, events=("order.placed.v1",)).url == url
    assert WebhookEndpoints(WebhookSettings()).refusal(url) is None


INTERNAL = [
    "https://127.0.0.1/",
    "https://127.1.2.3:8443/",
    "https://10.1.2.3/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:a00:1]/",
    "https://[64:ff9b::a00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[ff02::1]/",
    "https://localhost/hook",
    "https://metadata.google.internal/",
    "https://printer.local/hook",
]


@pytest.mark.parametrize("url", [*INTERNAL, "http://example.com/hook", "http://127.0.0.1:8080/"])
def test_addresses_of_the_inside_are_refused_by_their_form(url: str) -> None:
    assert WebhookEndpoints(WebhookSettings()).refusal(url) is not None


def test_the_local_platform_may_call_itself_and_nobody_else_inside() -> None:
    local = WebhookEndpoints(WebhookSettings(allow_loopback=True))
    for mine in ("http://127.0.0.1:8080/hook", "http://localhost:8080/", "https://[::1]:8443/"):
        assert local.refusal(mine) is None
    for other in ("http://10.1.2.3/", "https://169.254.169.254/", "http://example.com/", "https://[fd00::1]/"):
        assert local.refusal(other) is not None


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "https://",
        "https:///hook",
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "https://example.com/#part",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://example.com\\@127.0.0.1/",
        "https://exämple.com/",
        "https://example.com/a b",
        "https://example.com/\r\nhost: evil",
        "https://example.com./hook",
        "https://-a.example/",
        "https://" + "a" * 64 + ".example/",
        "https://example.com/" + "a" * 500,
        "//example.com/hook",
        "javascript:alert(1)",
    ],
)
def test_what_is_no_plain_address_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        RegisterWebhook(url=url, events=("order.placed.v1",))


@given(st.ip_addresses())
@settings(max_examples=100)
def test_an_address_is_never_public_that_python_calls_private(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if not address.is_global or address.is_multicast:
        assert not public(address)
    if isinstance(address, ipaddress.IPv4Address):
        assert not public(ipaddress.IPv6Address(f"::ffff:{address}"))
    assert literal(str(address)) == address


def test_ten_attempts_are_made_within_a_day() -> None:
    at = NOW
    for failed in range(1, 10):
        following = lifecycle.next_attempt(failed, asked_s=None, jitter=0.0, now=at)
        assert following is not None
        assert following > at
        at = following
    assert timedelta(hours=20) < at - NOW < timedelta(days=1)
    assert lifecycle.next_attempt(10, asked_s=None, jitter=0.0, now=at) is None
    assert lifecycle.next_attempt(1, asked_s=90, jitter=0.0, now=NOW) == NOW + timedelta(seconds=90)
    assert lifecycle.next_attempt(1, asked_s=10**8, jitter=1.0, now=NOW) == NOW + timedelta(hours=1)


def test_an_endpoint_is_given_up_after_days_or_when_it_says_so() -> None:
    def why(failures: int, days: float, changed_days: float = 30, *, gone: bool = False) -> DisableReason | None:
        since, changed = NOW - timedelta(days=days), NOW - timedelta(days=changed_days)
        return lifecycle.why_to_disable(gone=gone, failures=failures, failing_since=since, changed_at=changed, now=NOW)

    assert why(50, 2.9) is None
    assert why(9, 4) is None
    assert why(10, 3) is DisableReason.FAILING
    assert why(50, 10, changed_days=1) is None, "it was mended a day ago"
    assert why(1, 0, gone=True) is DisableReason.GONE


def test_two_secrets_live_at_most_and_the_older_one_until_its_time() -> None:
    webhook = a_webhook()
    for number, overlap in enumerate((24, 1)):
        (fact,) = lifecycle.rotate(webhook, sealed=f"s{number}", overlap=timedelta(hours=overlap), by=OWNER, now=NOW)
        webhook = lifecycle.evolve(webhook, fact)
    assert [one.sealed for one in webhook.live_secrets(NOW)] == ["s1", "s0"]
    assert [one.sealed for one in webhook.live_secrets(NOW + timedelta(hours=1))] == ["s1"]
    assert WebhookView.of(webhook, 3, now=NOW).previous_secret_until == NOW + timedelta(hours=1)
    (leaked,) = lifecycle.rotate(webhook, sealed="s2", overlap=timedelta(), by=OWNER, now=NOW)
    assert [one.sealed for one in lifecycle.evolve(webhook, leaked).live_secrets(NOW)] == ["s2"]


def test_a_webhook_that_was_switched_off_is_switched_on_by_its_merchant() -> None:
    webhook = a_webhook()
    (off,) = lifecycle.disable(webhook, DisableReason.FAILING, failing_since=NOW, actor="deliver_webhook", now=NOW)
    webhook = lifecycle.evolve(webhook, off)
    assert (webhook.enabled, webhook.disabled_reason) == (False, DisableReason.FAILING)
    assert lifecycle.disable(webhook, DisableReason.GONE, failing_since=NOW, actor="x", now=NOW) == ()
    again = UpdateWebhook(url=webhook.url, events=("order.placed.v1",))
    (on,) = lifecycle.update(webhook, again, by=OWNER, now=NOW)
    webhook = lifecycle.evolve(webhook, on)
    assert (webhook.enabled, webhook.disabled_reason) == (True, None)
    assert lifecycle.update(webhook, again, by=OWNER, now=NOW) == ()
    (deleted,) = lifecycle.delete(webhook, by=OWNER, now=NOW)
    with pytest.raises(NotFound):
        lifecycle.own(lifecycle.evolve(webhook, deleted), OWNER)
    assert isinstance(off, WebhookDisabled)
    with pytest.raises(Bug):
        lifecycle.evolve(None, off)


def test_a_webhook_is_run_by_its_merchant_and_by_staff_of_its_shop_alone() -> None:
    everywhere, here = a_webhook(), a_webhook(SHOP)
    manager = By("key_1", frozenset({Role.MANAGER}), MERCHANT, shop_ids=frozenset({SHOP}))
    assert lifecycle.own(here, manager) == here
    for webhook, by in (
        (everywhere, manager),
        (here, By("usr_1", frozenset({Role.OWNER}), MerchantId.new())),
        (here, By("key_1", frozenset({Role.MANAGER}), MERCHANT, shop_ids=frozenset({ShopId.new()}))),
        (None, OWNER),
    ):
        with pytest.raises(NotFound):
            lifecycle.own(webhook, by)
    assert lifecycle.merchant_of(manager) == MERCHANT
    assert lifecycle.runs(manager, MERCHANT, SHOP)
    assert not lifecycle.runs(manager, MERCHANT, None)
    assert lifecycle.runs(OWNER, MERCHANT, None)
    for by in (By("usr_1", frozenset({Role.CUSTOMER}), MERCHANT), By("usr_1", frozenset({Role.OWNER}), None)):
        with pytest.raises(Forbidden):
            lifecycle.merchant_of(by)
