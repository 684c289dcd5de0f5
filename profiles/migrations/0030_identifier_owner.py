"""The unique index of identifiers, with whose they are: built while others write, in force before the old one goes."""

from django.db import migrations, models

CREATE = """
CREATE UNIQUE INDEX CONCURRENTLY identifier_kind_value_owner ON profiles_identifier (kind_id, value)
INCLUDE (id, profile_id, import_id, first_seen_at)
"""
RESTORE = """
ALTER TABLE profiles_identifier ADD CONSTRAINT identifier_kind_value UNIQUE USING INDEX identifier_kind_value
"""


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("profiles", "0029_index_moments"),
    ]

    operations = [
        # What is left of an attempt that was cut off is of no use.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS identifier_kind_value_owner", migrations.RunSQL.noop),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(CREATE, "DROP INDEX CONCURRENTLY IF EXISTS identifier_kind_value_owner"),
                migrations.RunSQL(
                    "ALTER TABLE profiles_identifier DROP CONSTRAINT IF EXISTS identifier_kind_value", RESTORE
                ),
                migrations.RunSQL(
                    migrations.RunSQL.noop,
                    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS identifier_kind_value"
                    " ON profiles_identifier (kind_id, value)",
                ),
            ],
            state_operations=[
                migrations.RemoveConstraint(model_name="identifier", name="identifier_kind_value"),
                migrations.AddConstraint(
                    model_name="identifier",
                    constraint=models.UniqueConstraint(
                        fields=("kind", "value"),
                        include=("id", "profile", "import_id", "first_seen_at"),
                        name="identifier_kind_value_owner",
                    ),
                ),
            ],
        ),
    ]
