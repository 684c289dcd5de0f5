from django.db import migrations


def queue(apps, schema_editor):
    """Dates and times of those who are here already are put into the new table by a run, a chunk at a time."""
    if apps.get_model("profiles", "Profile").objects.exists():
        apps.get_model("cdp", "Run").objects.create(kind="index_moments", subject="moments")


class Migration(migrations.Migration):
    dependencies = [("profiles", "0028_seen_indexes"), ("cdp", "0003_run_result")]

    operations = [migrations.RunPython(queue, migrations.RunPython.noop)]
