from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tags", "0004_import")]

    operations = [
        AddIndexConcurrently(
            model_name='tagassignment',
            index=models.Index(condition=models.Q(('import_id__isnull', False)), fields=['import_id'], name='assignment_import'),
        ),
    ]
