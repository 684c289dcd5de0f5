from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("profiles", "0027_moments")]

    operations = [
        AddIndexConcurrently(
            model_name="profile", index=models.Index(fields=["first_seen_at"], name="profile_first_seen")
        ),
        AddIndexConcurrently(model_name="profile", index=models.Index(fields=["created_at"], name="profile_created")),
    ]
