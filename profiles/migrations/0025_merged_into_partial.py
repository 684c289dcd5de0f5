from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('profiles', '0024_room_for_updates'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='profile',
            index=models.Index(condition=models.Q(('merged_into__isnull', False)), fields=['merged_into'], name='profile_merged_into'),
        ),
    ]
