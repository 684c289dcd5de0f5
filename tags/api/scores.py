"""`scores/`: the scoring models and what their fields mean."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.router import route
from cdp.api.runs import RunSerializer, accepted
from cdp.api.viewsets import KEY_PATTERN, ApiViewSet
from tags.models import Score
from tags.score_models import ScoreModel, score_models
from tags.services.score import queue_scoring


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class ChoicesField(serializers.JSONField):
    """Names by value."""


class ScoreFieldSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    type = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    unit = serializers.CharField(help_text="What a number counts; empty for others.")
    choices = ChoicesField(help_text="Names of the values of a text, where they are few.")


class ScoreModelSerializer(serializers.Serializer[Any]):
    """The shape of `show_model`, for the schema."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    formula = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    fields_ = ScoreFieldSerializer(many=True)

    def get_fields(self) -> dict[str, Any]:
        declared = super().get_fields()
        declared["fields"] = declared.pop("fields_")  # the class has a use of its own for this name
        return declared


def show_model(model: ScoreModel) -> dict[str, Any]:
    """All that a model declares, in the active language."""
    return {
        "key": model.key,
        "label": str(model.label),
        "formula": str(model.formula),
        "source": model.source,
        "fields": [
            {
                "key": key,
                "type": str(field.type),
                "label": str(field.label),
                "unit": str(field.unit),
                "choices": {value: str(name) for value, name in field.choices.items()},
            }
            for key, field in model.fields.items()
        ],
    }


@route("scores")
class ScoreModelViewSet(ApiViewSet):
    """Scoring models by key. There are a handful, so all are on one page."""

    queryset = Score.objects.none()  # says which permission reads them
    serializer_class = ScoreModelSerializer
    pagination_class = None
    lookup_field = "key"
    lookup_value_regex = KEY_PATTERN
    action_permissions = {"refresh": ("tags.change_tag",)}

    def list(self, request: Request) -> Response:
        models = [show_model(model) for _key, model in sorted(score_models().items())]
        return Response({"next": None, "previous": None, "results": models})

    def retrieve(self, request: Request, key: str) -> Response:
        return Response(show_model(self.get_model(key)))

    @extend_schema(request=None, responses={202: RunSerializer})
    @action(detail=True, methods=["post"])
    def refresh(self, request: Request, key: str) -> Response:
        """Score everybody anew, which happens once a day by itself; answers with the run that does it."""
        run = queue_scoring(self.get_model(key).key, user=request.user)  # type: ignore[arg-type]
        return accepted(run, request)

    def get_model(self, key: str) -> ScoreModel:
        if key not in score_models():
            raise Http404(_("There is no scoring model of this key."))
        return score_models()[key]
