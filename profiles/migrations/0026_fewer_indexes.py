"""Indexes that others begin with, or that a partial one replaces, go: without holding up those who write."""

import django.db.models.deletion
from django.db import migrations, models


def without_index(model_name, name, field, *, table, index, column):
    """The field without its index, which the database drops and makes again while others write."""
    return migrations.SeparateDatabaseAndState(
        database_operations=[
            migrations.RunSQL(
                f"DROP INDEX CONCURRENTLY IF EXISTS {index}",
                f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON {table} ({column})",
            )
        ],
        state_operations=[migrations.AlterField(model_name=model_name, name=name, field=field)],
    )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('profiles', '0025_merged_into_partial'),
    ]

    operations = [
        without_index(
            'contribution',
            'anchor',
            models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='contributions', to='profiles.identifier'),
            table='profiles_contribution',
            index='profiles_contribution_anchor_id_ca61175e',
            column='anchor_id',
        ),
        without_index(
            'identifier',
            'kind',
            models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='profiles.identifierkind', verbose_name='kind'),
            table='profiles_identifier',
            index='profiles_identifier_kind_id_7e698954',
            column='kind_id',
        ),
        without_index(
            'identitylink',
            'left',
            models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='profiles.identifier'),
            table='profiles_identitylink',
            index='profiles_identitylink_left_id_8d21e7fb',
            column='left_id',
        ),
        without_index(
            'profile',
            'merged_into',
            models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='absorbed', to='profiles.profile', verbose_name='merged into'),
            table='profiles_profile',
            index='profiles_profile_merged_into_id_f2e5a931',
            column='merged_into_id',
        ),
    ]
