"""The rules that there are as the first known versions: of segments, tags and tier schemes alike, some rows each."""

from django.db import migrations

SINCE = "CASE WHEN rule_version = 1 THEN created_at ELSE now() END"
FIRST = f"""
    INSERT INTO cdp_ruleversion (holder, version, rules, user_id, at)
    SELECT 'segment:' || key, rule_version,
        jsonb_build_array(jsonb_build_object('key', '', 'name', '', 'rule', rule)), NULL::bigint, {SINCE}
    FROM segments_segment
    WHERE rule IS NOT NULL
    UNION ALL
    SELECT 'tag:' || key, rule_version,
        coalesce(
            (
                SELECT jsonb_agg(
                    jsonb_build_object('key', value.key, 'name', value.name, 'rule', value.rule)
                    ORDER BY value.position, value.id
                )
                FROM tags_tagvalue AS value
                WHERE value.tag_id = tag.id
            ),
            jsonb_build_array(jsonb_build_object('key', '', 'name', '', 'rule', rule))
        ), NULL::bigint, {SINCE}
    FROM tags_tag AS tag
    WHERE kind = 'rule'
    UNION ALL
    SELECT 'tier:' || key, rule_version,
        (
            SELECT jsonb_agg(
                jsonb_build_object('key', tier.key, 'name', tier.name, 'rule', tier.entry) ORDER BY tier.position
            )
            FROM segments_tier AS tier
            WHERE tier.scheme_id = scheme.id
        ), NULL::bigint, {SINCE}
    FROM segments_tierscheme AS scheme
    WHERE EXISTS (SELECT FROM segments_tier AS tier WHERE tier.scheme_id = scheme.id)
    ON CONFLICT DO NOTHING
"""  # noqa: S608 - made of constants


class Migration(migrations.Migration):
    dependencies = [
        ("cdp", "0004_rule_versions"),
        ("segments", "0007_segment_upkeep"),
        ("tags", "0007_assignment_expires"),
    ]

    operations = [migrations.RunSQL(FIRST, migrations.RunSQL.noop)]
