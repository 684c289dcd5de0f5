"""The open conflicts, newest first, however many were decided."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('profiles', '0012_conflict_state'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='identityconflict',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['id'], name='conflict_open'),
        ),
    ]
