from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tags", "0006_displaced_import")]

    operations = [
        AddIndexConcurrently(
            model_name="tagassignment",
            index=models.Index(
                condition=models.Q(("expires_at__isnull", False)),
                fields=["tag", "expires_at"],
                name="assignment_expires",
            ),
        ),
    ]
