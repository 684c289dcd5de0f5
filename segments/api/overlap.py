"""`segments/{key}/overlap/`: how many people a segment shares with others."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from segments.models import Segment
from segments.services.overlap import MAX_SEGMENTS, overlap_of


class CombinationSerializer(serializers.Serializer[Any]):
    """How many are in these segments, and in no other of those compared."""

    segments = serializers.ListField(child=serializers.CharField())
    count = serializers.IntegerField()


class OverlapSerializer(serializers.Serializer[Any]):
    """`pairs` are in the order of `segments`: how many are in both; a segment and itself are its members."""

    segments = serializers.ListField(child=serializers.CharField())
    pairs = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))
    in_all = serializers.IntegerField()
    in_any = serializers.IntegerField()
    combinations = CombinationSerializer(many=True)


class OverlapActions(GenericViewSet[Any]):
    """Mixed into the endpoints of segments."""

    @extend_schema(
        parameters=[OpenApiParameter("with", str, required=False, description="Keys of other segments, by comma.")],
        responses=OverlapSerializer,
    )
    @action(detail=True, pagination_class=None, filterset_class=None, query_parameters=("with",))
    def overlap(self, request: Request, key: str) -> Response:
        """How many people it shares with others, up to ten together: in both of each two, and in each combination."""
        first = self.get_object()
        keys = [
            each for each in dict.fromkeys(request.query_params.get("with", "").split(",")) if each not in ("", key)
        ]
        if len(keys) >= MAX_SEGMENTS:
            raise serializers.ValidationError({"with": [_("at most %d segments together") % MAX_SEGMENTS]})
        known = {segment.key: segment for segment in Segment.objects.filter(key__in=keys)}
        if unknown := [each for each in keys if each not in known]:
            raise serializers.ValidationError({"with": [_("there is no segment %s") % ", ".join(unknown)]})
        found = overlap_of([first, *(known[each] for each in keys)])
        combinations = [
            {"segments": [segment.key for segment in segments], "count": n} for segments, n in found.combinations()
        ]
        return Response(
            {
                "segments": [segment.key for segment in found.segments],
                "pairs": found.pairs(),
                "in_all": found.of_all(range(len(found.segments))),
                "in_any": found.of_any(),
                "combinations": combinations,
            }
        )
