"""Assignments that gave way at a merge, out of the merges that kept them as JSON."""

from django.db import migrations

MOVE = """
INSERT INTO tags_displacedtag (tag_id, value_id, profile_id, origin_id, assigned_at, expires_at, assigned_by_id)
SELECT tag.id, value.id, coalesce(survivor.merged_into_id, survivor.id), origin.id, kept.assigned_at, kept.expires_at,
    assigner.id
FROM profiles_profilemerge AS merge
CROSS JOIN LATERAL jsonb_array_elements(
    coalesce(merge.absorbed_before -> 'tags', '[]') || coalesce(merge.survivor_before -> 'tags', '[]')
) AS row (said)
CROSS JOIN LATERAL jsonb_to_record(row.said) AS kept (
    tag_id bigint, value_id bigint, origin_id bigint, assigned_at timestamptz, expires_at timestamptz,
    assigned_by_id bigint
)
JOIN tags_tag AS tag ON tag.id = kept.tag_id
JOIN profiles_profile AS survivor ON survivor.id = merge.survivor_id
JOIN profiles_profile AS origin ON origin.id = kept.origin_id
LEFT JOIN tags_tagvalue AS value ON value.id = kept.value_id
LEFT JOIN cdp_user AS assigner ON assigner.id = kept.assigned_by_id
WHERE kept.value_id IS NULL OR value.id IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [
        ("tags", "0002_splits"),
        ("profiles", "0016_splits"),
        ("cdp", "0001_initial"),
    ]
    operations = [migrations.RunSQL(MOVE, "DELETE FROM tags_displacedtag")]
