"""Room in every page for new versions of its rows, which then need no entry in any index: in pages from now on."""

from django.db import migrations

FREE_PERCENT = {"profiles_profile": 15, "profiles_contribution": 10}


class Migration(migrations.Migration):

    dependencies = [
        ('profiles', '0023_oauth_public_keys'),
    ]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE {table} SET (fillfactor = {100 - percent})", f"ALTER TABLE {table} RESET (fillfactor)"
        )
        for table, percent in FREE_PERCENT.items()
    ]
