"""The id of the message behind an identify event: without it two of the same moment could not be told apart later.

A nullable column without a default rewrites nothing; the lock on the table lasts a moment. Events of before have none.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("profiles", "0006_separation")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE profiles_event ADD COLUMN message_id varchar(200)",
            "ALTER TABLE profiles_event DROP COLUMN message_id",
        ),
    ]
