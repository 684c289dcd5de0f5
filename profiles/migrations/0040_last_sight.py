import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("profiles", "0039_queued_changes")]

    operations = [
        migrations.CreateModel(
            name="LastSight",
            fields=[
                (
                    "profile",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="last_sight",
                        serialize=False,
                        to="profiles.profile",
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="last seen")),
            ],
            options={
                "verbose_name": "last sight",
                "verbose_name_plural": "last sights",
                "indexes": [models.Index(fields=["-at", "-profile"], name="last_sight_at")],
            },
        ),
    ]
