"""The events that Strata ships have labels, which readers see in their language; who has named one keeps that."""

from django.db import migrations

EVENTS = ["Order Completed", "Order Refunded", "Page Viewed", "Screen Viewed"]


def label(apps, schema_editor):
    events = apps.get_model("profiles", "EventDefinition").objects.filter(label="")
    for name in EVENTS:
        events.filter(name=name).update(label=name)


class Migration(migrations.Migration):
    dependencies = [("profiles", "0036_unchecked_keys_to_people")]

    operations = [migrations.RunPython(label, migrations.RunPython.noop)]
