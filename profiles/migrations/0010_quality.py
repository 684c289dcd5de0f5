import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('profiles', '0009_duplicates'),
    ]

    operations = [
        migrations.CreateModel(
            name='EventDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(db_index=True, verbose_name='day')),
                ('n_events', models.BigIntegerField(default=0, verbose_name='events')),
                ('last_at', models.DateTimeField(verbose_name='last received')),
            ],
            options={
                'verbose_name': 'day of an event',
                'verbose_name_plural': 'days of events',
            },
        ),
        migrations.CreateModel(
            name='KindDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(db_index=True, verbose_name='day')),
                ('n_messages', models.BigIntegerField(default=0, verbose_name='messages')),
            ],
            options={
                'verbose_name': 'day of an identifier kind',
                'verbose_name_plural': 'days of identifier kinds',
            },
        ),
        migrations.CreateModel(
            name='Violation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(db_index=True, verbose_name='day')),
                ('event', models.CharField(max_length=200, verbose_name='event')),
                ('rule', models.CharField(choices=[('unplanned_event', 'Unplanned event'), ('unplanned_attribute', 'Unplanned attribute'), ('schema', 'Breaks the schema'), ('more', 'More kinds than are kept apart')], max_length=20, verbose_name='what is wrong')),
                ('path', models.CharField(help_text='Such as properties.products[].price.', max_length=300, verbose_name='place')),
                ('problem', models.CharField(max_length=300, verbose_name='problem')),
                ('n_messages', models.BigIntegerField(default=0, verbose_name='messages')),
                ('last_at', models.DateTimeField(verbose_name='last received')),
                ('examples', models.JSONField(default=list, verbose_name='examples')),
            ],
            options={
                'verbose_name': 'violation',
                'verbose_name_plural': 'violations',
                'ordering': ['-id'],
            },
        ),
        migrations.AddField(
            model_name='attributedefinition',
            name='category',
            field=models.CharField(blank=True, max_length=100, verbose_name='category'),
        ),
        migrations.AddField(
            model_name='eventdefinition',
            name='category',
            field=models.CharField(blank=True, max_length=100, verbose_name='category'),
        ),
        migrations.AddField(
            model_name='eventdefinition',
            name='label',
            field=models.CharField(blank=True, max_length=200, verbose_name='label'),
        ),
        migrations.AddField(
            model_name='eventdefinition',
            name='schema',
            field=models.JSONField(blank=True, help_text='What the properties must look like. Empty: anything.', null=True, verbose_name='JSON Schema'),
        ),
        migrations.AddField(
            model_name='rejectedmessage',
            name='code',
            field=models.CharField(choices=[('invalid', 'Not understood'), ('nobody', 'Names nobody'), ('unplanned', 'Unplanned'), ('schema', 'Breaks a schema'), ('no_room', 'Too many new events'), ('failed', 'Processing failed')], default='invalid', max_length=10, verbose_name='kind of reason'),
        ),
        migrations.AddField(
            model_name='rejectedmessage',
            name='sent_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='source',
            name='schema_violations',
            field=models.CharField(choices=[('allow', 'Allow'), ('flag', 'Allow and count'), ('reject', 'Reject')], default='allow', help_text='Messages whose properties break the JSON Schema of their event.', max_length=6, verbose_name='violations of schemas'),
        ),
        migrations.AddField(
            model_name='source',
            name='unplanned_attributes',
            field=models.CharField(choices=[('allow', 'Allow'), ('flag', 'Allow and count'), ('reject', 'Reject')], default='allow', help_text='Messages with a trait that nobody has planned as an attribute.', max_length=6, verbose_name='unplanned attributes'),
        ),
        migrations.AddField(
            model_name='source',
            name='unplanned_events',
            field=models.CharField(choices=[('allow', 'Allow'), ('flag', 'Allow and count'), ('reject', 'Reject')], default='allow', help_text='Messages with an event that nobody has planned.', max_length=6, verbose_name='unplanned events'),
        ),
        migrations.AlterField(
            model_name='attributedefinition',
            name='is_discovered',
            field=models.BooleanField(default=False, help_text='Seen in messages, and not planned by anybody yet.', verbose_name='discovered'),
        ),
        migrations.AlterField(
            model_name='eventdefinition',
            name='is_discovered',
            field=models.BooleanField(default=False, help_text='Seen in messages, and not planned by anybody yet.', verbose_name='discovered'),
        ),
        migrations.AddField(
            model_name='eventday',
            name='definition',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='profiles.eventdefinition'),
        ),
        migrations.AddField(
            model_name='eventday',
            name='source',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='profiles.source'),
        ),
        migrations.AddField(
            model_name='kindday',
            name='kind',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='profiles.identifierkind'),
        ),
        migrations.AddField(
            model_name='kindday',
            name='source',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='profiles.source'),
        ),
        migrations.AddField(
            model_name='violation',
            name='source',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='profiles.source', verbose_name='source'),
        ),
        migrations.AddConstraint(
            model_name='eventday',
            constraint=models.UniqueConstraint(fields=('source', 'definition', 'day'), name='event_day'),
        ),
        migrations.AddConstraint(
            model_name='kindday',
            constraint=models.UniqueConstraint(fields=('source', 'kind', 'day'), name='kind_day'),
        ),
        migrations.AddConstraint(
            model_name='violation',
            constraint=models.UniqueConstraint(fields=('source', 'day', 'event', 'rule', 'path', 'problem'), name='violation_day'),
        ),
    ]
