"""`tags/{key}/cross/`: two tags crossed, and one tag made of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from profiles.dimensions import UnknownDimension
from tags.models import Tag
from tags.services.coverage import share
from tags.services.cross import Cross, Side, cross_tags


class CrossSideSerializer(serializers.Serializer[Any]):
    """A value by its key; `value` is "" for those who carry the tag without one, null for those without the tag."""

    value = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    count = serializers.IntegerField()


class CrossCellSerializer(serializers.Serializer[Any]):
    """People with both, their shares in percent, and the rule that finds them."""

    row = serializers.CharField(allow_null=True)
    column = serializers.CharField(allow_null=True)
    count = serializers.IntegerField()
    percent_of_row = serializers.FloatField()
    percent_of_column = serializers.FloatField()
    percent = serializers.FloatField()
    rule = serializers.JSONField()


class CrossSerializer(serializers.Serializer[Any]):
    """Everybody, by the values of two tags. `cells` go by rows, then columns."""

    total = serializers.IntegerField()
    rows = CrossSideSerializer(many=True)
    columns = CrossSideSerializer(many=True)
    cells = CrossCellSerializer(many=True)


class CrossActions(GenericViewSet[Any]):
    """Mixed into the endpoints of tags."""

    @extend_schema(
        parameters=[OpenApiParameter("with", str, required=True, description="Key of the other tag: the columns.")],
        responses=CrossSerializer,
    )
    @action(detail=True, pagination_class=None, filterset_class=None, query_parameters=("with",))
    def cross(self, request: Request, key: str) -> Response:
        """How many people carry which value of this tag and which of another."""
        tag, asked = self.get_object(), request.query_params.get("with", "")
        other = Tag.objects.filter(key=asked).first()
        if other is None:
            raise serializers.ValidationError({"with": [_("there is no tag %(name)s") % {"name": repr(asked)}]})
        try:
            return Response(as_answer(cross_tags(tag, other, now=timezone.now())))
        except UnknownDimension as error:
            raise serializers.ValidationError({"with": [str(error)]}) from error
        except ValidationError as error:
            raise serializers.ValidationError({"with": error.messages}) from error


def as_answer(cross: Cross) -> dict[str, Any]:
    n_rows = [cross.n_row(row) for row in range(len(cross.rows))]
    n_columns = [cross.n_column(column) for column in range(len(cross.columns))]
    return {
        "total": cross.n_people,
        "rows": sides(cross.rows, n_rows),
        "columns": sides(cross.columns, n_columns),
        "cells": [
            {
                "row": cross.rows[row].key,
                "column": cross.columns[column].key,
                "count": n,
                "percent_of_row": share(n, n_rows[row]),
                "percent_of_column": share(n, n_columns[column]),
                "percent": share(n, cross.n_people),
                "rule": cross.people(row, column),
            }
            for row, counts in enumerate(cross.counts)
            for column, n in enumerate(counts)
        ],
    }


def sides(named: Sequence[Side], counts: Sequence[int]) -> list[dict[str, Any]]:
    return [{"value": side.key, "name": side.name, "count": n} for side, n in zip(named, counts, strict=True)]
