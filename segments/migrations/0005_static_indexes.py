from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("segments", "0004_static")]

    operations = [
        AddIndexConcurrently(
            model_name='membership',
            index=models.Index(condition=models.Q(('origin__isnull', False)), fields=['origin'], name='membership_origin'),
        ),
        AddIndexConcurrently(
            model_name='membership',
            index=models.Index(condition=models.Q(('import_id__isnull', False)), fields=['import_id'], name='membership_import'),
        ),
    ]
