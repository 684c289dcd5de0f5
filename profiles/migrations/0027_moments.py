import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("profiles", "0026_fewer_indexes")]

    operations = [
        migrations.CreateModel(
            name="HolderClock",
            fields=[
                ("holder", models.CharField(max_length=120, primary_key=True, serialize=False)),
                ("clocked_at", models.DateTimeField()),
                ("checked_at", models.DateTimeField(null=True)),
                ("n_corrected", models.BigIntegerField(default=0)),
                ("n_corrected_last", models.BigIntegerField(default=0)),
            ],
            options={"verbose_name": "clock of a holder"},
        ),
        migrations.CreateModel(
            name="ProfileMoment",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "profile_id",
                        "definition_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "profile",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="moments",
                        to="profiles.profile",
                    ),
                ),
                (
                    "definition",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="profiles.attributedefinition",
                    ),
                ),
                ("at", models.DateTimeField()),
                ("month_day", models.SmallIntegerField()),
            ],
            options={
                "verbose_name": "moment",
                "indexes": [
                    models.Index(fields=["definition", "at", "profile"], name="moment_at"),
                    models.Index(fields=["definition", "month_day", "profile"], name="moment_month_day"),
                ],
            },
        ),
    ]
