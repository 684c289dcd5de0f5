from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("profiles", "0010_quality")]

    operations = [
        AddIndexConcurrently(
            model_name="rejectedmessage",
            index=models.Index(fields=["rejected_at"], name="rejected_at"),
        ),
    ]
