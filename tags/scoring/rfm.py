"""`rfm`: how recently, how often and for how much somebody buys."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from cdp.rules.types import ValueType
from tags.score_models import ScoreField, ScoreModel
from tags.scoring import Statement, scoring_model

ORDER, REFUND = "Order Completed", "Order Refunded"

# Each digit says whether R, F and M are high.
CLASSES = {
    "111": _("Important value"),  # Translators: 重要价值
    "101": _("Important development"),  # Translators: 重要发展
    "011": _("Important retention"),  # Translators: 重要保持
    "001": _("Important win-back"),  # Translators: 重要挽留
    "110": _("General value"),  # Translators: 一般价值
    "100": _("General development"),  # Translators: 一般发展
    "010": _("General retention"),  # Translators: 一般保持
    "000": _("General win-back"),  # Translators: 一般挽留
}

QUINTILE = _("quintile, 5 is best")

MODEL = ScoreModel(
    key="rfm",
    label=_("RFM"),
    fields={
        "recency_days": ScoreField(ValueType.NUMBER, _("days since the last order"), unit=_("days")),
        "frequency": ScoreField(ValueType.NUMBER, _("orders"), unit=_("orders")),
        "monetary": ScoreField(ValueType.NUMBER, _("net spend"), unit=_("money")),
        "r": ScoreField(ValueType.NUMBER, _("recency score"), unit=QUINTILE),
        "f": ScoreField(ValueType.NUMBER, _("frequency score"), unit=QUINTILE),
        "m": ScoreField(ValueType.NUMBER, _("monetary score"), unit=QUINTILE),
        "class": ScoreField(ValueType.TEXT, _("customer class"), choices=CLASSES),
    },
    formula=_(
        "Of everybody with at least one “Order Completed”: whole days since the last one, their number, and the sum of "
        "the values of “Order Completed” and “Order Refunded”. A quintile is 1 + the whole part of 5 × the share of "
        "scored people who are strictly worse, so that equals score the same. R, F and M are high where they are "
        "better than the mean of all who are scored."
    ),
    source=(
        "Quintiles: A. M. Hughes, Strategic Database Marketing (1994). R, F and M as what suffices to tell buyers "
        "apart: P. Fader, B. Hardie, K. L. Lee, RFM and CLV: Using Iso-Value Curves for Customer Base Analysis, "
        "Journal of Marketing Research 42 (2005). Eight classes against the mean: usual practice in China."
    ),
)


@scoring_model(MODEL)
def rfm(now: datetime) -> Statement:
    """One pass over the orders, one window over their buyers. Sums are exact: values count as 15-digit decimals."""
    return (
        """
        WITH defined AS (
            SELECT id, name
            FROM profiles_eventdefinition
            WHERE name IN (%s, %s)
        ), bought AS (
            SELECT event.profile_id,
                   max(event.occurred_at) FILTER (WHERE defined.name = %s) AS last_at,
                   count(*) FILTER (WHERE defined.name = %s) AS frequency,
                   coalesce(sum(event.value::numeric), 0) AS monetary
            FROM profiles_event AS event
            JOIN defined ON defined.id = event.definition_id
            WHERE event.occurred_at <= %s
            GROUP BY event.profile_id
        ), measured AS (
            SELECT profile_id,
                   floor(extract(epoch FROM %s - last_at) / 86400)::bigint AS recency_days,
                   frequency,
                   trim_scale(monetary) AS monetary
            FROM bought
            JOIN profiles_profile AS profile ON profile.id = profile_id AND profile.merged_into_id IS NULL
            WHERE frequency > 0
        ), compared AS (
            SELECT *,
                   1 + 5 * (rank() OVER (ORDER BY recency_days DESC) - 1) / count(*) OVER () AS r,
                   1 + 5 * (rank() OVER (ORDER BY frequency) - 1) / count(*) OVER () AS f,
                   1 + 5 * (rank() OVER (ORDER BY monetary) - 1) / count(*) OVER () AS m,
                   recency_days < avg(recency_days) OVER () AS is_recent,
                   frequency > avg(frequency) OVER () AS is_frequent,
                   monetary > avg(monetary) OVER () AS is_big
            FROM measured
        )
        SELECT profile_id,
               jsonb_build_object(
                   'recency_days', recency_days,
                   'frequency', frequency,
                   'monetary', monetary,
                   'r', r,
                   'f', f,
                   'm', m,
                   'class', concat(is_recent::int, is_frequent::int, is_big::int)
               )
        FROM compared
        """,
        [ORDER, REFUND, ORDER, ORDER, now, now],
    )
