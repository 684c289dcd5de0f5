"""What people decided about conflicts, and the right to merge. Constant defaults rewrite no row."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('profiles', '0011_rejected_index'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='profile',
            options={'permissions': [('view_pii', 'Can see personal data unmasked'), ('merge_profile', 'Can merge and split profiles')], 'verbose_name': 'profile', 'verbose_name_plural': 'profiles'},
        ),
        migrations.AddField(
            model_name='identityconflict',
            name='note',
            field=models.CharField(blank=True, db_default='', default='', max_length=500, verbose_name='note'),
        ),
        migrations.AddField(
            model_name='identityconflict',
            name='settled_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='decided'),
        ),
        migrations.AddField(
            model_name='identityconflict',
            name='settled_by',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='decided by'),
        ),
        migrations.AddField(
            model_name='identityconflict',
            name='state',
            field=models.CharField(choices=[('open', 'Open'), ('dismissed', 'Dismissed'), ('settled', 'Settled')], db_default='open', default='open', editable=False, max_length=9, verbose_name='state'),
        ),
    ]
