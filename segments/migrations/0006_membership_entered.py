from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("segments", "0005_static_indexes")]

    operations = [
        AddIndexConcurrently(
            model_name="membership", index=models.Index(fields=["segment", "entered_at"], name="membership_entered")
        ),
    ]
