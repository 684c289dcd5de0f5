from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tags", "0009_tag_change")]

    operations = [
        AddIndexConcurrently(
            model_name="tagassignment",
            index=models.Index(
                condition=models.Q(("expires_at__isnull", False)),
                fields=["is_ended", "expires_at"],
                name="assignment_ended",
            ),
        ),
    ]
