"""An identifier is seen no earlier than its person is: the taking back of an import left some that were, and the look
at who is merely seen again relies on it. A chunk a transaction, beside whoever works.
"""

from django.db import migrations

CHUNK = 50_000  # profiles
SET_CHUNK = """
WITH chunk AS MATERIALIZED (
    SELECT id, first_seen_at FROM profiles_profile WHERE id > %s ORDER BY id LIMIT %s
), corrected AS (
    UPDATE profiles_identifier AS identifier SET first_seen_at = chunk.first_seen_at
    FROM chunk WHERE identifier.profile_id = chunk.id AND identifier.first_seen_at < chunk.first_seen_at
)
SELECT max(id) FROM chunk
"""


def set_everybody(apps, schema_editor):
    after = 0
    while after is not None:
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(SET_CHUNK, [after, CHUNK])
            (after,) = cursor.fetchone()


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("profiles", "0044_regions_that_are_known")]

    operations = [migrations.RunPython(set_everybody, migrations.RunPython.noop)]
