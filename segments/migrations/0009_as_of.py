from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("segments", "0008_first_rule_versions")]

    operations = [
        AddIndexConcurrently(
            model_name="membershipchange",
            index=models.Index(fields=["segment", "profile", "-id"], name="membership_change_as_of"),
        ),
    ]
