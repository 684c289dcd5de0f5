"""What earlier bulk taggings were about; those whose values are gone went with them."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tags", "0017_bulk_outlives_value")]

    operations = [
        migrations.RunSQL(
            """
            UPDATE tags_bulktagging AS bulk
            SET value_key = value.key, value_name = value.name
            FROM tags_tagvalue AS value
            WHERE value.id = bulk.value_id
            """,
            migrations.RunSQL.noop,
        ),
    ]
