"""Indexes by import of what imports bring: partial, so that whatever came otherwise costs nothing."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

PARTITIONS = """
SELECT relid::regclass::text FROM pg_partition_tree('profiles_event') WHERE level = 1 ORDER BY 1
"""


def add_event_index(apps, schema_editor):
    """Partition by partition without holding up writers; the parent's index is valid once all are attached."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("DROP INDEX IF EXISTS event_import")  # of an attempt that was cut off, as those below
        cursor.execute(
            "CREATE INDEX event_import ON ONLY profiles_event (import_id) WHERE import_id IS NOT NULL"
        )
        cursor.execute(PARTITIONS)
        for (partition,) in cursor.fetchall():
            index = f"{partition}_import"
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
            cursor.execute(
                f"CREATE INDEX CONCURRENTLY {index} ON {partition} (import_id) WHERE import_id IS NOT NULL"
            )
            cursor.execute(f"ALTER INDEX event_import ATTACH PARTITION {index}")


def drop_event_index(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("DROP INDEX event_import")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("profiles", "0004_imports")]

    operations = [
        AddIndexConcurrently(
            model_name='identifier',
            index=models.Index(condition=models.Q(('import_id__isnull', False)), fields=['import_id'], name='identifier_import'),
        ),
        AddIndexConcurrently(
            model_name='messagekey',
            index=models.Index(condition=models.Q(('import_id__isnull', False)), fields=['import_id'], name='message_key_import'),
        ),
        migrations.RunPython(add_event_index, drop_event_index),
    ]
