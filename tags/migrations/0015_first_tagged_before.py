"""What earlier bulk taggings made another can still be taken back; the ends that were there before are not known."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tags", "0014_tagged_before")]

    operations = [
        migrations.RunSQL(
            """
            INSERT INTO tags_taggedbefore (bulk_id, profile_id, is_carried, value_id, last_change)
            SELECT bulk.id, change.profile_id, change.before IS NOT NULL, value.id, change.id - 1
            FROM tags_bulktagging AS bulk
            JOIN tags_tagchange AS change ON change.run_id = bulk.run_id
            LEFT JOIN tags_tagvalue AS value ON value.tag_id = change.tag_id AND value.key = change.before
            WHERE value.id IS NOT NULL OR coalesce(change.before, '') = ''
            ORDER BY change.id
            ON CONFLICT DO NOTHING
            """,
            "DELETE FROM tags_taggedbefore",
        ),
    ]
