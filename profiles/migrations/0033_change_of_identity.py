from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('profiles', '0032_inheritance'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='profilechange',
            index=models.Index(condition=models.Q(('topic__in', ['merge', 'split'])), fields=['profile_id'], name='change_of_identity'),
        ),
    ]
