"""Where identifiers were written that merges have moved since: on the absorbed of the first merge that lists them."""

from django.db import migrations

BATCH = 10_000  # merges a transaction

FILL = """
UPDATE profiles_identifier AS identifier
SET origin_id = moved.absorbed_id
FROM (
    SELECT DISTINCT ON (listed.id) listed.id, merge.absorbed_id
    FROM profiles_profilemerge AS merge, unnest(merge.identifiers) AS listed (id)
    WHERE merge.id > %s AND merge.id <= %s
    ORDER BY listed.id, merge.id
) AS moved
WHERE identifier.id = moved.id AND identifier.origin_id IS NULL AND identifier.profile_id <> moved.absorbed_id
"""


def fill(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM profiles_profilemerge")
        (last,) = cursor.fetchone()
        for start in range(0, last, BATCH):
            cursor.execute(FILL, [start, start + BATCH])


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("profiles", "0016_splits")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
