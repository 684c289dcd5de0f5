"""The history starts with those who carry something already. One statement: a million take some seconds, and nobody
waits for it.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tags", "0010_assignment_ended")]

    operations = [
        migrations.RunSQL(
            """
            INSERT INTO tags_tagchange (tag_id, profile_id, after, cause, by_id, at)
            SELECT held.tag_id,
                   held.profile_id,
                   coalesce(value.key, ''),
                   CASE
                       WHEN held.import_id IS NOT NULL THEN 'import'
                       WHEN held.origin_id IS NOT NULL THEN 'manual'
                       ELSE 'rule'
                   END,
                   held.assigned_by_id,
                   held.assigned_at
            FROM tags_tagassignment AS held
            LEFT JOIN tags_tagvalue AS value ON value.id = held.value_id
            ORDER BY held.assigned_at, held.id
            """,
            "DELETE FROM tags_tagchange",
        ),
    ]
