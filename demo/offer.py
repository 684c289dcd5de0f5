"""What the shop's operators define over its people: tags, segments, tiers, and a message for each tier."""

from __future__ import annotations

from typing import Any

SOURCES = (  # key, name, kind, rank: the till asks for papers, so it knows best
    ("web-shop", "网店 Web shop", "web", 100),
    ("till", "门店收银 Till", "till", 120),
    ("wechat", "微信小程序 WeChat", "wechat", 110),
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
    ({"key": TASTING, "name": "试听会 Tasting circle", "kind": "manual", "category": "活动 Events"}, ()),
    (
        {"key": "activity", "name": "活跃度 Activity", "kind": "rule", "category": "行为 Behaviour"},
        (
            {"key": "active", "name": "活跃 Active", "rule": ordered_within(90)},
            {"key": "cooling", "name": "降温 Cooling", "rule": ordered_within(365)},
            {"key": "dormant", "name": "沉睡 Dormant", "rule": {"op": "event", "name": "Order Completed"}},
        ),
    ),
)

NEARBY = ["上海", "杭州", "南京", "苏州", "Shanghai", "Hangzhou"]
SEGMENTS: tuple[dict[str, Any], ...] = (
    {
        "key": "loyal",
        "name": "忠诚客户 Loyal",
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
        "name": "江浙沪忠诚客户 Loyal around Shanghai",
        "rule": {"all": [
            {"op": "segment", "key": "loyal"},
            {"op": "attribute", "key": "city", "is": "in", "value": NEARBY},
            {"not": {"op": "tag", "key": "activity", "value": ["dormant"]}},
        ]},
    },
)  # fmt: skip


SCHEME = "club"
SCHEME_NAME = "会员俱乐部 Club"
TIERS: tuple[dict[str, Any], ...] = (  # highest first
    {
        "key": "platinum",
        "name": "铂金 Platinum",
        "entry": spent(400),
        "benefits": "新品试听会与免运费 Listening evenings, free delivery",
    },
    {"key": "gold", "name": "黄金 Gold", "entry": spent(150), "benefits": "九折与免运费 10% off, free delivery"},
    {"key": "silver", "name": "白银 Silver", "entry": spent(50), "benefits": "生日九五折 5% off on your birthday"},
    {"key": "member", "name": "会员 Member", "entry": None, "benefits": "每月新碟速递 News of the month"},
)

CAMPAIGN = "autumn-sounds"
CAMPAIGN_NAME = "秋日新声 Autumn sounds"
GREETING = "<p>{{ profile.name | default: '朋友 friend' }}，您好 – hello!</p>"
CLOSING = "<p>{{ tier.name }}：{{ tier.benefits }}</p>"
CONTENTS: tuple[tuple[str, str, str], ...] = (  # tier, subject, body
    (
        "platinum",
        "{{ profile.name | default: '贵宾 Dear guest' }}，铂金专场 – an evening for you",
        GREETING
        + "<p>请来我们的新品试听会。 Come and hear the new records first.</p>"
        + "{% if tags.tasting_circle %}<p>您的座位已留好。 Your seat is kept, as always.</p>{% endif %}"
        + CLOSING,
    ),
    (
        "gold",
        "黄金会员九折 – 10% off for gold members",
        GREETING
        + "<p>本月全场九折。 10% off everything this month.</p>"
        + "{% if scores.rfm.class == '111' %}<p>感谢您一路相伴。 Thank you for staying with us.</p>{% endif %}"
        + CLOSING,
    ),
    (
        "silver",
        "离黄金只差一步 – one step from gold",
        GREETING + "<p>再添一张唱片，升级黄金。 One more record, and gold is yours.</p>" + CLOSING,
    ),
    ("member", "本月新碟 – the records of the month", GREETING + "<p>新碟已到店。 They have arrived.</p>" + CLOSING),
)
