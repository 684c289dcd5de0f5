"""`segments/{key}/breakdown/`: the portrait of a segment by one dimension."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.problems import PreviewTimedOut
from profiles.dimensions import HiddenDimension, UnknownDimension, find_dimension
from profiles.masking import masking_for
from profiles.services.preview import PreviewTimeout
from segments.models import Segment
from segments.services.portrait import MOST_TOP, TOP, Breakdown, Bucket, Counts, break_down

KNOWN, ALL = "known", "all"


class PortraitQuerySerializer(serializers.Serializer[Any]):
    """What the portrait is asked for."""

    by = serializers.CharField(max_length=300)
    compare = serializers.SlugRelatedField(slug_field="key", queryset=Segment.objects.all(), required=False)
    people = serializers.ChoiceField([ALL, KNOWN], default=ALL)
    top = serializers.IntegerField(min_value=1, max_value=MOST_TOP, default=TOP)


class GroupSerializer(serializers.Serializer[Any]):
    """A number of people and their share of their group. `tgi` is 100 where the share is that of everybody."""

    count = serializers.IntegerField()
    percent = serializers.FloatField()
    tgi = serializers.FloatField(allow_null=True)


class EverybodySerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    percent = serializers.FloatField()


class BucketSerializer(serializers.Serializer[Any]):
    """A value, a range (`from` included, `to` left out, null without end), the other values, or none.

    `rule` finds these people; null where no rule can.
    """

    kind = serializers.ChoiceField(["value", "range", "other", "missing"])
    value = serializers.JSONField(allow_null=True)
    to = serializers.JSONField(allow_null=True)
    label = serializers.CharField()  # type: ignore[assignment]  # of the bucket, not of a form
    rule = serializers.JSONField(allow_null=True)
    segment = GroupSerializer()
    compare = GroupSerializer(allow_null=True)
    all = EverybodySerializer()

    def get_fields(self) -> dict[str, Any]:
        """`from` is no name in Python."""
        return {**super().get_fields(), "from": serializers.JSONField(allow_null=True)}


class TotalsSerializer(serializers.Serializer[Any]):
    """Numbers of people."""

    segment = serializers.IntegerField()
    compare = serializers.IntegerField(allow_null=True)
    all = serializers.IntegerField()


class BreakdownSerializer(serializers.Serializer[Any]):
    """How a segment is divided, beside everybody. Buckets of a list overlap."""

    by = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    segment = serializers.CharField()
    compare = serializers.CharField(allow_null=True)
    people = serializers.ChoiceField([ALL, KNOWN])
    totals = TotalsSerializer()
    buckets = BucketSerializer(many=True)


PARAMETERS = [
    OpenApiParameter(
        "by", str, required=True, description="`attribute:KEY`, `tag:KEY`, `tier:SCHEME`, `score:MODEL.FIELD`"
    ),
    OpenApiParameter("compare", str, description="Key of another segment."),
    OpenApiParameter("people", str, enum=[ALL, KNOWN], description="`known`: those with a personal identifier only."),
    OpenApiParameter(
        "top", int, description=f"How many values, the most frequent; {TOP} unless told, {MOST_TOP} at most."
    ),
]


class PortraitActions:
    """Mixed into the endpoints of segments."""

    get_object: Any

    @extend_schema(parameters=PARAMETERS, responses=BreakdownSerializer)
    @action(
        detail=True,
        pagination_class=None,
        filterset_class=None,
        query_parameters=("by", "compare", "people", "top"),
    )
    def breakdown(self, request: Request, key: str) -> Response:
        """The shares of an attribute, tag, tier or score in the segment beside everybody, with the index (TGI)."""
        query = PortraitQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        try:
            dimension = find_dimension(asked["by"], masking_for(request.user))
            found = break_down(
                self.get_object(),
                dimension,
                compared=asked.get("compare"),
                is_known_only=asked["people"] == KNOWN,
                top=asked["top"],
                now=timezone.now(),
            )
        except UnknownDimension as error:
            raise serializers.ValidationError({"by": [str(error)]}) from error
        except HiddenDimension as error:
            raise PermissionDenied(str(error)) from error
        except PreviewTimeout as error:
            raise PreviewTimedOut(_("Counting took too long.")) from error
        return Response(as_answer(found))


def as_answer(found: Breakdown) -> dict[str, Any]:
    has_compared = found.compared is not None
    return {
        "by": found.dimension.by,
        "label": found.dimension.label,
        "segment": found.segment.key,
        "compare": found.compared.key if found.compared else None,
        "people": KNOWN if found.is_known_only else ALL,
        "totals": {
            "segment": found.total.inside,
            "compare": found.total.compared if has_compared else None,
            "all": found.total.everybody,
        },
        "buckets": [_bucket(found, bucket) for bucket in found.buckets],
    }


def _bucket(found: Breakdown, bucket: Bucket) -> dict[str, Any]:
    counts = bucket.counts
    return {
        "kind": bucket.kind,
        "value": bucket.value,
        "from": _edge(bucket.start),
        "to": _edge(bucket.end),
        "label": bucket.label,
        "rule": bucket.rule,
        "segment": _group(found, counts, "inside"),
        "compare": _group(found, counts, "compared") if found.compared else None,
        "all": {"count": counts.everybody, "percent": found.percent(counts, "everybody")},
    }


def _group(found: Breakdown, counts: Counts, of: str) -> dict[str, Any]:
    return {"count": getattr(counts, of), "percent": found.percent(counts, of), "tgi": found.index(counts, of)}


def _edge(edge: Any) -> Any:
    """Numbers as numbers, days as text."""
    if edge is None:
        return None
    return edge.isoformat() if hasattr(edge, "isoformat") else float(edge)
