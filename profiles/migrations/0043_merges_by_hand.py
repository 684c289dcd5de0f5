from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("profiles", "0042_profile_without_last_seen")]

    operations = [
        AddIndexConcurrently(
            model_name="profilemerge",
            index=models.Index(
                condition=models.Q(("cause", "message"), _negated=True), fields=["merged_at"], name="merge_by_hand"
            ),
        ),
    ]
