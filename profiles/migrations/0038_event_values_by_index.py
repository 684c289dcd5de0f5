"""The index of events by definition holds their promoted numbers: sums over everybody need not read the table."""

from django.db import migrations, transaction

OLD = "event_definition", "(definition_id, occurred_at, profile_id)"
NEW = "event_definition_value", "(definition_id, occurred_at, profile_id) INCLUDE (value)"
PARTITIONS = """
SELECT relid::regclass::text FROM pg_partition_tree('profiles_event') WHERE level = 1 ORDER BY 1
"""


def make(name, columns):
    """Partition by partition without holding up writers; the parent's index is valid once all are attached."""

    def run(apps, schema_editor):
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND indisvalid", [name])
            if cursor.fetchone():
                return  # a later step of an earlier attempt failed
            cursor.execute(f"DROP INDEX IF EXISTS {name}")  # of an attempt that was cut off, as those below
            cursor.execute(f"CREATE INDEX {name} ON ONLY profiles_event {columns}")
            cursor.execute(PARTITIONS)
            for (partition,) in cursor.fetchall():
                index = f"{partition}_{name.removeprefix('event_')}"
                cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
                cursor.execute(f"CREATE INDEX CONCURRENTLY {index} ON {partition} {columns}")
                cursor.execute(f"ALTER INDEX {name} ATTACH PARTITION {index}")

    return run


def drop(name):
    """It is done at once, but waits for whoever reads events, and others wait behind it: not for long."""

    def run(apps, schema_editor):
        with transaction.atomic(using=schema_editor.connection.alias), schema_editor.connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '10s'")
            cursor.execute(f"DROP INDEX IF EXISTS {name}")

    return run


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("profiles", "0037_event_labels")]

    operations = [
        migrations.RunPython(make(*NEW), drop(NEW[0])),
        migrations.RunPython(drop(OLD[0]), make(*OLD)),
    ]
