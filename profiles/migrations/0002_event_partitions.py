"""The table of events: partitioned by year, one partition for all that came before the first."""

from django.db import migrations

FIRST_YEAR, LAST_YEAR = 2020, 2027  # profiles/ingest/partitions.py makes the later ones before they are needed

CREATE = """
CREATE SEQUENCE profiles_event_id_seq AS bigint;
CREATE TABLE profiles_event (
    id bigint NOT NULL DEFAULT nextval('profiles_event_id_seq'),
    occurred_at timestamptz NOT NULL,
    definition_id integer NOT NULL,
    profile_id bigint NOT NULL,
    anchor_id bigint NOT NULL,
    source_id bigint NOT NULL,
    value double precision,
    properties jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (id, occurred_at)
) PARTITION BY RANGE (occurred_at);
ALTER SEQUENCE profiles_event_id_seq OWNED BY profiles_event.id;
CREATE INDEX event_profile ON profiles_event (profile_id, definition_id, occurred_at);
CREATE INDEX event_definition ON profiles_event (definition_id, occurred_at, profile_id);
"""

PARTITIONS = [
    f"CREATE TABLE profiles_event_before_{FIRST_YEAR} PARTITION OF profiles_event "
    f"FOR VALUES FROM (MINVALUE) TO ('{FIRST_YEAR}-01-01 00:00:00+00');"
] + [
    f"CREATE TABLE profiles_event_{year} PARTITION OF profiles_event "
    f"FOR VALUES FROM ('{year}-01-01 00:00:00+00') TO ('{year + 1}-01-01 00:00:00+00');"
    for year in range(FIRST_YEAR, LAST_YEAR + 1)
]


class Migration(migrations.Migration):
    dependencies = [("profiles", "0001_initial")]

    operations = [
        migrations.RunSQL(CREATE + "\n".join(PARTITIONS), "DROP TABLE profiles_event;"),
    ]
