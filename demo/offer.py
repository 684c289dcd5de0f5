"""What the shop's operators define over its people: tags, segments, tiers, and a message for each tier."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from profiles.models import Handling
from tags.bands import Band


def said(chinese: str, english: str) -> str:
    """Names and messages are in the language of the installation."""
    return chinese if settings.LANGUAGE_CODE.startswith("zh") else english


SOURCES = (  # key, name, kind, rank: the till asks for papers, so it knows best
    ("web-shop", said("网店", "Web shop"), "web", 100),
    ("till", said("门店收银", "Till"), "till", 120),
    ("wechat", said("微信小程序", "WeChat mini program"), "wechat", 110),
)
MEMBERS_MAPPING: dict[str, Any] = {
    "identifiers": {"card": "member_card", "mobile": "phone"},
    "traits": {
        "name": "name", "gender": "gender", "birthday": {"key": "birthday", "type": "date"}, "mobile": "phone",
        "city": "city", "province": "province",
    },
    "consents": {"mail_ok": "email"},
    "time": "updated",
}  # fmt: skip

# What the events of the shop must look like.
SCHEMAS: dict[str, dict[str, Any]] = {
    "Order Completed": {
        "required": ["order_id", "total"],
        "properties": {"order_id": {"type": "string"}, "total": {"type": "number", "minimum": 0}},
    },
    "Order Refunded": {"required": ["order_id", "total"], "properties": {"total": {"type": "number"}}},
    "Product Viewed": {"required": ["product_id"], "properties": {"price": {"type": "number"}}},
}
# The website changes every week, and its surprises are counted; the mini program is to send what was agreed.
POLICIES: dict[str, dict[str, str]] = {
    "web-shop": {
        "unplanned_events": Handling.FLAG, "unplanned_attributes": Handling.FLAG, "schema_violations": Handling.FLAG,
    },
    "wechat": {"unplanned_events": Handling.REJECT, "schema_violations": Handling.REJECT},
}  # fmt: skip

SCORE = "rfm"


def ordered_within(days: int) -> dict[str, Any]:
    return {"op": "event", "name": "Order Completed", "within": {"last_days": days}}


def spent(at_least: int) -> dict[str, Any]:
    """Net spend of the last 365 days in dollars: refunds count negative."""
    return {
        "op": "event", "name": ["Order Completed", "Order Refunded"], "measure": {"sum": "$value"},
        "within": {"last_days": 365}, "is": "gte", "value": at_least,
    }  # fmt: skip


TASTING = "tasting_circle"
TASTING_EVERY = 40  # one of so many customers is on the shop's own list
TAGS: tuple[tuple[dict[str, Any], tuple[dict[str, Any], ...]], ...] = (  # each with its values
    (
        {
            "key": TASTING,
            "name": said("试听会", "Tasting circle"),
            "kind": "manual",
            "category": said("活动", "Events"),
        },
        (),
    ),
    (
        {"key": "activity", "name": said("活跃度", "Activity"), "kind": "rule", "category": said("行为", "Behaviour")},
        (
            {"key": "active", "name": said("活跃", "Active"), "rule": ordered_within(90)},
            {"key": "cooling", "name": said("降温", "Cooling"), "rule": ordered_within(365)},
            {"key": "dormant", "name": said("沉睡", "Dormant"), "rule": {"op": "event", "name": "Order Completed"}},
        ),
    ),
    (
        {"key": "spending", "name": said("消费力", "Spending"), "kind": "score", "category": said("价值", "Value")},
        (
            {"key": "high", "name": said("高", "High"), "rule": Band(SCORE, "m", start=4).rule},
            {"key": "middle", "name": said("中", "Middle"), "rule": Band(SCORE, "m", start=2, end=4).rule},
            {"key": "low", "name": said("低", "Low"), "rule": Band(SCORE, "m", end=2).rule},
        ),
    ),
)

NEARBY = ["上海", "杭州", "南京", "苏州", "Shanghai", "Hangzhou"]
SEGMENTS: tuple[dict[str, Any], ...] = (
    {
        "key": "loyal",
        "name": said("忠诚客户", "Loyal"),
        "rule": {"all": [
            {"op": "attribute", "key": "is_known", "is": "eq", "value": True},
            {"any": [
                {"op": "score", "model": SCORE, "field": "class", "is": "in", "value": ["111", "011"]},
                {"op": "event", "name": "Order Completed", "within": {"last_days": 365}, "is": "gte", "value": 3},
                {"op": "tag", "key": TASTING},
            ]},
        ]},
    },
    {
        "key": "loyal-nearby",
        "name": said("江浙沪忠诚客户", "Loyal around Shanghai"),
        "rule": {"all": [
            {"op": "segment", "key": "loyal"},
            {"op": "attribute", "key": "city", "is": "in", "value": NEARBY},
            {"not": {"op": "tag", "key": "activity", "value": ["dormant"]}},
        ]},
    },
)  # fmt: skip


SCHEME = "club"
SCHEME_NAME = said("会员俱乐部", "Club")
TIERS: tuple[dict[str, Any], ...] = (  # highest first
    {
        "key": "platinum",
        "name": said("铂金", "Platinum"),
        "entry": spent(400),
        "benefits": said("新品试听会与免运费", "listening evenings, free delivery"),
    },
    {
        "key": "gold",
        "name": said("黄金", "Gold"),
        "entry": spent(150),
        "benefits": said("九折与免运费", "10% off, free delivery"),
    },
    {
        "key": "silver",
        "name": said("白银", "Silver"),
        "entry": spent(50),
        "benefits": said("生日九五折", "5% off on your birthday"),
    },
    {
        "key": "member",
        "name": said("会员", "Member"),
        "entry": None,
        "benefits": said("每月新碟速递", "news of the month"),
    },
)

CAMPAIGN = "autumn-sounds"
CAMPAIGN_NAME = said("秋日新声", "Autumn sounds")
GREETING = said(
    "<p>{{ profile.name | default: '朋友' }}，您好！</p>", "<p>Hello {{ profile.name | default: 'friend' }},</p>"
)
CLOSING = said("<p>{{ tier.name }}：{{ tier.benefits }}</p>", "<p>{{ tier.name }}: {{ tier.benefits }}</p>")
CONTENTS: tuple[tuple[str, str, str], ...] = (  # tier, subject, body
    (
        "platinum",
        said(
            "{{ profile.name | default: '贵宾' }}，铂金专场",
            "{{ profile.name | default: 'Dear guest' }}, an evening for you",
        ),
        GREETING
        + said("<p>请来我们的新品试听会。</p>", "<p>Come and hear the new records first.</p>")
        + said(
            "{% if tags.tasting_circle %}<p>您的座位已留好。</p>{% endif %}",
            "{% if tags.tasting_circle %}<p>Your seat is kept, as always.</p>{% endif %}",
        )
        + CLOSING,
    ),
    (
        "gold",
        said("黄金会员九折", "10% off for gold members"),
        GREETING
        + said("<p>本月全场九折。</p>", "<p>10% off everything this month.</p>")
        + said(
            "{% if scores.rfm.class == '111' %}<p>感谢您一路相伴。</p>{% endif %}",
            "{% if scores.rfm.class == '111' %}<p>Thank you for staying with us.</p>{% endif %}",
        )
        + CLOSING,
    ),
    (
        "silver",
        said("离黄金只差一步", "One step from gold"),
        GREETING + said("<p>再添一张唱片，升级黄金。</p>", "<p>One more record, and gold is yours.</p>") + CLOSING,
    ),
    (
        "member",
        said("本月新碟", "The records of the month"),
        GREETING + said("<p>新碟已到店。</p>", "<p>They have arrived.</p>") + CLOSING,
    ),
)
