"""A webhook in a real browser, in both languages: made, tried, changed, its secret replaced, what it heard read."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.fixtures import Settings
from standardwebhooks import Webhook as Verifier

from cdp.models import User, Webhook
from cdp.roles import OPERATOR
from cdp.webhooks.send import send_due
from tests.browser.test_admin import sign_in, switch_language
from tests.cdp.webhooks.receiver import Receiver
from tests.cdp.webhooks.receiver import receiver as start_receiver
from tests.factories.cdp import UserFactory
from tests.factories.segments import MembershipChangeFactory, SegmentFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
WORDS = {
    "en": {
        "webhooks": "Webhooks", "save": "Save", "test": "Send a test", "to": "To the webhook", "kind": "Test",
        "soon": "goes within seconds", "replace": "Replace the secret", "off": "Switch off",
        "changes": "2 changes", "on": "Switch on", "waits": "Switch on, and send what waits",
        "again": "Send again", "none": "Tick at least one",
    },
    "zh-hans": {
        "webhooks": "Webhook", "save": "保存", "test": "发送测试", "to": "前往该 Webhook", "kind": "测试",
        "soon": "将在几秒内发出", "replace": "更换密钥", "off": "停用", "on": "启用", "changes": "2 条变动",
        "waits": "启用，并发送等待中的变动", "again": "重新发送", "none": "请至少勾选一个变动流",
    },
}  # fmt: skip


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.WEBHOOK_NETWORKS = (ip_network("127.0.0.0/8"),)
    with start_receiver() as started:
        yield started


@pytest.fixture
def operator() -> User:
    user: User = UserFactory(role=OPERATOR, username="ann", password="a long password")
    return user


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_webhook_is_made_tried_and_its_secret_replaced(page: Page, operator: User, receiver: Receiver, language: str):
    words, vip = WORDS[language], SegmentFactory(key="vip", name="VIP")
    SegmentFactory(key="other", name="Other")
    sign_in(page, "ann", "a long password")
    switch_language(page, language)
    expect(page.locator("html")).to_have_attribute("lang", language)

    page.locator("#nav-sidebar a", has_text=words["webhooks"]).click()
    page.wait_for_url("**/cdp/webhook/")
    page.goto("/admin/cdp/webhook/add/")
    expect(page.locator("#id_owner")).to_have_value(str(operator.pk))
    page.fill("#id_name", "Shop")
    page.fill("#id_key", "shop")
    page.fill("#id_url", receiver.url)
    page.get_by_role("button", name=words["save"], exact=True).click()
    expect(page.get_by_text(words["none"])).to_be_visible()

    chosen = page.locator("[id=id_subjects_segments]")
    expect(chosen.locator("..")).not_to_be_visible()
    page.check("#id_hears_segments")
    search = page.locator(".field-subjects_segments, div:has(> div > #id_subjects_segments)").locator("input").last
    search.click()
    page.locator(".select2-results__option", has_text="VIP").click()
    page.get_by_role("button", name=words["save"], exact=True).click()
    first = page.locator("#secret").inner_text()
    page.get_by_role("button", name=words["test"]).click()
    expect(page.get_by_role("status")).to_contain_text(words["soon"])
    send_due(now=timezone.now)

    row = page.locator("#attempts tbody tr, #attempts table tr:has(td)")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(words["kind"])
    expect(row).to_contain_text("204")
    expect(page.get_by_role("status")).to_have_count(0)
    Verifier(first).verify(receiver.heard[-1].body, receiver.heard[-1].headers)

    webhook = Webhook.objects.get()
    page.goto(f"/admin/cdp/webhook/{webhook.pk}/change/")
    expect(page.locator("#id_hears_segments")).to_be_checked()
    assert page.locator("#id_subjects_segments").evaluate("it => [...it.selectedOptions].map(o => o.value)") == ["vip"]
    page.get_by_role("button", name=words["save"], exact=True).click()
    page.wait_for_url("**/cdp/webhook/")
    page.goto(f"/admin/cdp/webhook/{webhook.pk}/change/")
    assert webhook.subscriptions.get().subjects == ["vip"]

    page.get_by_role("link", name=words["replace"]).click()
    page.get_by_role("button", name=words["replace"]).click()
    second = page.locator("#secret").inner_text()
    page.get_by_role("link", name=words["to"]).click()
    page.get_by_role("button", name=words["off"], exact=True).click()
    expect(page.get_by_role("button", name=words["on"], exact=True)).to_be_visible()
    MembershipChangeFactory.create_batch(2, segment=vip)
    page.reload()
    page.get_by_role("button", name=words["waits"]).click()
    expect(page.get_by_role("button", name=words["off"], exact=True)).to_be_visible()
    send_due(now=timezone.now)
    for secret in (first, second):  # signed for both while the old one is good
        Verifier(secret).verify(receiver.heard[-1].body, receiver.heard[-1].headers)
    assert second != first

    page.goto(f"/admin/cdp/webhook/{webhook.pk}/attempts/")
    expect(row.first).to_contain_text(words["changes"])
    row.first.get_by_role("button", name=words["again"]).click()
    expect(page.get_by_role("status")).to_contain_text(words["soon"])
    send_due(now=timezone.now)
    expect(row).to_have_count(2)
    assert receiver.heard[-1].id == receiver.heard[-2].id
