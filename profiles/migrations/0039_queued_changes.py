"""Since when a change waits. The default is the time of this migration for rows that wait now: no row is rewritten."""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("profiles", "0038_event_values_by_index")]

    operations = [migrations.AddField("profilechange", "queued_at", models.DateTimeField(db_default=Now()))]
