import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tags", "0013_days")]

    operations = [
        migrations.AddField(
            model_name="bulktagging",
            name="unknown",
            field=models.JSONField(
                default=list,
                help_text="Those who were named and are nobody.",
                verbose_name="unknown",
            ),
        ),
        migrations.CreateModel(
            name="TaggedBefore",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("profile_id", models.BigIntegerField()),
                ("is_carried", models.BooleanField()),
                ("expires_at", models.DateTimeField(null=True)),
                ("last_change", models.BigIntegerField()),
                (
                    "bulk",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="before",
                        to="tags.bulktagging",
                    ),
                ),
                (
                    "value",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tags.tagvalue",
                    ),
                ),
            ],
            options={
                "verbose_name": "what was carried before",
                "verbose_name_plural": "what was carried before",
                "constraints": [
                    models.UniqueConstraint(fields=("bulk", "profile_id"), name="tagged_before_bulk_profile")
                ],
            },
        ),
    ]
