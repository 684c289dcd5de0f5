"""The unique index of links, with their times: built while others write, in force before the old one goes."""

from django.db import migrations, models

CREATE = """
CREATE UNIQUE INDEX CONCURRENTLY link_left_right_source_at ON profiles_identitylink (left_id, right_id, source_id)
INCLUDE (occurred_at)
"""
RESTORE = """
ALTER TABLE profiles_identitylink
ADD CONSTRAINT link_left_right_source UNIQUE USING INDEX link_left_right_source
"""


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("profiles", "0034_fewer_checked_keys"),
    ]

    operations = [
        # What is left of an attempt that was cut off is of no use.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS link_left_right_source_at", migrations.RunSQL.noop),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(CREATE, "DROP INDEX CONCURRENTLY IF EXISTS link_left_right_source_at"),
                migrations.RunSQL(
                    "ALTER TABLE profiles_identitylink DROP CONSTRAINT IF EXISTS link_left_right_source", RESTORE
                ),
                migrations.RunSQL(
                    migrations.RunSQL.noop,
                    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS link_left_right_source"
                    " ON profiles_identitylink (left_id, right_id, source_id)",
                ),
            ],
            state_operations=[
                migrations.RemoveConstraint(model_name="identitylink", name="link_left_right_source"),
                migrations.AddConstraint(
                    model_name="identitylink",
                    constraint=models.UniqueConstraint(
                        fields=("left", "right", "source"),
                        include=("occurred_at",),
                        name="link_left_right_source_at",
                    ),
                ),
            ],
        ),
    ]
