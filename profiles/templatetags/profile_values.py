"""Show values, kinds, channels and definitions in the reader's language."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.translation import gettext, gettext_noop, pgettext_lazy

from cdp.values import in_words
from profiles.models import AttributeDefinition, IdentifierKind

register = template.Library()

# Labels that Strata ships in the database, so that the catalogues know them.
SHIPPED = (
    gettext_noop("User id"), gettext_noop("WeChat unionid"), gettext_noop("Member card"), gettext_noop("Phone"),
    gettext_noop("Email"), gettext_noop("WeChat openid"), gettext_noop("Device id"), gettext_noop("Anonymous id"),
    pgettext_lazy("attribute", "Name"), gettext_noop("First name"), gettext_noop("Last name"), gettext_noop("Gender"),
    gettext_noop("Birthday"), gettext_noop("City"), gettext_noop("Province"), gettext_noop("Country"),
    gettext_noop("Language"), gettext_noop("Time zone"),
    gettext_noop("Order Completed"), gettext_noop("Order Refunded"), gettext_noop("Page Viewed"),
    gettext_noop("Screen Viewed"),
    gettext_noop("email"), gettext_noop("sms"), gettext_noop("wechat"), gettext_noop("push"), gettext_noop("webhook"),
    gettext_noop("phone"), gettext_noop("post"),
)  # fmt: skip


@register.filter
def attribute_value(value: Any) -> str:
    """A value of the golden record in words; nothing is a dash."""
    return in_words(value)


@register.filter
def definition_label(definition: AttributeDefinition) -> str:
    return definition.shown_label


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
