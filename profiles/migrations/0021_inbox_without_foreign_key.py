import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('profiles', '0020_write_key_rotation'),
    ]

    operations = [
        migrations.AlterField(
            model_name='inboxmessage',
            name='source',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='profiles.source'),
        ),
    ]
