"""Profiles let go of when they were last seen, once what was written since it was copied is caught up: under a lock, so
both in one transaction. Everybody waits meanwhile, for a second or two a million profiles. The lock is at once the one
that dropping a column needs: to be made stronger, it would have to wait for who waits for it.
"""

from django.db import migrations, models

CATCH_UP = [
    "SET LOCAL lock_timeout = '10s'",
    "LOCK TABLE profiles_profile IN ACCESS EXCLUSIVE MODE",
    """
    INSERT INTO profiles_lastsight (profile_id, at)
    SELECT id, last_seen_at FROM profiles_profile AS profile
    WHERE NOT EXISTS (SELECT FROM profiles_lastsight AS sight WHERE sight.profile_id = profile.id)
    """,
    """
    UPDATE profiles_lastsight AS sight SET at = profile.last_seen_at
    FROM profiles_profile AS profile WHERE profile.id = sight.profile_id AND profile.last_seen_at <> sight.at
    """,
]
BACK = """
UPDATE profiles_profile AS profile SET last_seen_at = sight.at
FROM profiles_lastsight AS sight WHERE sight.profile_id = profile.id
"""


class Migration(migrations.Migration):
    dependencies = [("profiles", "0041_last_sights_of_everybody")]

    operations = [
        migrations.RunSQL(CATCH_UP, migrations.RunSQL.noop),
        migrations.RemoveConstraint(model_name="profile", name="profile_seen_in_order"),
        migrations.RemoveIndex(model_name="profile", name="profile_last_seen"),
        migrations.AlterField(
            model_name="profile",
            name="last_seen_at",
            field=models.DateTimeField(null=True, verbose_name="last seen"),
        ),
        migrations.RunSQL(migrations.RunSQL.noop, BACK),
        migrations.RemoveField(model_name="profile", name="last_seen_at"),
    ]
