"""When everybody was last seen, into its own table: a chunk a transaction, beside whoever works. What changes meanwhile
is caught up by the next migration.
"""

from django.db import migrations

CHUNK = 50_000  # profiles
COPY_CHUNK = """
WITH chunk AS MATERIALIZED (
    SELECT id, last_seen_at FROM profiles_profile WHERE id > %s ORDER BY id LIMIT %s
), copied AS (
    INSERT INTO profiles_lastsight (profile_id, at) SELECT id, last_seen_at FROM chunk
    ON CONFLICT (profile_id) DO NOTHING
)
SELECT max(id) FROM chunk
"""


def copy_everybody(apps, schema_editor):
    after = 0
    while after is not None:
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(COPY_CHUNK, [after, CHUNK])
            (after,) = cursor.fetchone()


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("profiles", "0040_last_sight")]

    operations = [migrations.RunPython(copy_everybody, migrations.RunPython.noop)]
