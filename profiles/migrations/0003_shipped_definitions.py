"""What Strata ships: identifier kinds, attributes, events and the built-in source."""

import secrets

from django.db import migrations

KINDS = [  # key, label, normaliser, limit, priority, personal
    ("user_id", "User id", "text", 1, 10, True),
    ("wechat_unionid", "WeChat unionid", "text", None, 20, True),
    ("member_card", "Member card", "card", None, 30, True),
    ("phone", "Phone", "phone", None, 40, True),
    ("email", "Email", "email", None, 50, True),
    ("wechat_openid", "WeChat openid", "text", None, 60, True),
    ("device_id", "Device id", "text", None, 70, False),
    ("anonymous_id", "Anonymous id", "text", None, 80, False),
]
ATTRIBUTES = [  # key, label, type, personal data
    ("name", "Name", "text", True),
    ("first_name", "First name", "text", True),
    ("last_name", "Last name", "text", True),
    ("gender", "Gender", "text", False),
    ("birthday", "Birthday", "date", True),
    ("city", "City", "text", False),
    ("province", "Province", "text", False),
    ("country", "Country", "text", False),
    ("language", "Language", "text", False),
    ("timezone", "Time zone", "text", False),
    ("email", "Email", "text", True),
    ("phone", "Phone", "text", True),
]
EVENTS = [  # name, value property, sign: the sum of the values of orders and refunds is net spend
    ("Order Completed", "total", 1),
    ("Order Refunded", "total", -1),
    ("Page Viewed", "", 1),
    ("Screen Viewed", "", 1),
    ("$identify", "", 1),
    ("$group", "", 1),
    ("$alias", "", 1),
]


def ship(apps, schema_editor):
    kinds = apps.get_model("profiles", "IdentifierKind")
    kinds.objects.bulk_create(
        kinds(key=key, label=label, normaliser=normaliser, limit_per_profile=limit, priority=priority, is_personal=personal)
        for key, label, normaliser, limit, priority, personal in KINDS
    )
    attributes = apps.get_model("profiles", "AttributeDefinition")
    attributes.objects.bulk_create(
        attributes(key=key, label=label, type=type_, is_pii=is_pii) for key, label, type_, is_pii in ATTRIBUTES
    )
    events = apps.get_model("profiles", "EventDefinition")
    events.objects.bulk_create(
        events(name=name, value_property=value_property, value_sign=sign) for name, value_property, sign in EVENTS
    )
    # Computed values outrank all others. Nobody collects with this key: the source is not enabled.
    apps.get_model("profiles", "Source").objects.create(
        key="strata", name="Strata", kind="built_in", rank=32_767, is_enabled=False, write_key=secrets.token_urlsafe(24)
    )


class Migration(migrations.Migration):
    dependencies = [("profiles", "0002_event_partitions")]

    operations = [migrations.RunPython(ship, migrations.RunPython.noop)]
