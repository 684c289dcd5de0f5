from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("profiles", "0046_taken_back_so_far")]

    operations = [
        AddIndexConcurrently(
            model_name="import",
            index=models.Index(
                condition=models.Q(("n_people_taken_back__gt", 0)),
                fields=["n_people_taken_back"],
                name="taken_back_so_far",
            ),
        ),
    ]
