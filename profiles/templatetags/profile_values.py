"""Show values, kinds, channels and definitions in the reader's language."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.utils import formats, timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext, gettext_noop

from profiles.models import AttributeDefinition, IdentifierKind

register = template.Library()

# Labels that Strata ships in the database, so that the catalogues know them.
SHIPPED = (
    gettext_noop("User id"), gettext_noop("WeChat unionid"), gettext_noop("Member card"), gettext_noop("Phone"),
    gettext_noop("Email"), gettext_noop("WeChat openid"), gettext_noop("Device id"), gettext_noop("Anonymous id"),
    gettext_noop("Name"), gettext_noop("First name"), gettext_noop("Last name"), gettext_noop("Gender"),
    gettext_noop("Birthday"), gettext_noop("City"), gettext_noop("Province"), gettext_noop("Country"),
    gettext_noop("Language"), gettext_noop("Time zone"),
    gettext_noop("email"), gettext_noop("sms"), gettext_noop("wechat"), gettext_noop("push"), gettext_noop("webhook"),
    gettext_noop("phone"), gettext_noop("post"),
)  # fmt: skip


@register.filter
def attribute_value(value: Any) -> str:
    """A value of the golden record in words: yes and no, local times, lists with commas; nothing is a dash."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return gettext("Yes") if value else gettext("No")
    if isinstance(value, int | float):
        return str(formats.localize(value))
    if isinstance(value, list):
        return ", ".join(attribute_value(item) for item in value) or "-"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return as_local_time(str(value))


def as_local_time(text: str) -> str:
    """UTC times in the fixed width of the golden record become times of the business zone; other text stays."""
    if len(text) == len("2026-01-01T00:00:00.000000Z") and text.endswith("Z"):
        moment = parse_datetime(text)
        if moment is not None:
            return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"
    return text


@register.filter
def definition_label(definition: AttributeDefinition) -> str:
    return gettext(definition.label) if definition.label else definition.key


@register.filter
def kind_label(kind: IdentifierKind) -> str:
    return gettext(kind.label)


@register.filter
def channel_label(channel: str) -> str:
    return gettext(channel)


@register.filter
def translated(text: str) -> str:
    """A word that Strata ships, such as the label of a kind; others as they are."""
    return gettext(text) if text else ""
