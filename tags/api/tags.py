"""`tags/`: labels, their values, and who carries them."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Prefetch, Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.feeds import FEED_PARAMETERS, FEED_QUERY, feed_page, feed_schema
from cdp.api.problems import Conflict
from cdp.api.router import route
from cdp.api.serializers import MomentField, PartSerializer
from cdp.api.viewsets import KEY_PATTERN
from cdp.keys import is_called
from cdp.models import User
from profiles.api.chosen import ChosenSerializer
from profiles.api.rules import HolderSerializer, HolderViewSet, RuleJson
from tags.api.bulk import BulkActions
from tags.api.changes import (
    TagChangeSerializer,
    TagDaySerializer,
    TagsChangeSerializer,
)
from tags.api.cross import CrossActions
from tags.bands import Band, band_of
from tags.feeds import TAGS
from tags.models import Tag, TagAssignment, TagValue
from tags.services import assign_tag, delete_tag, restore_tag_rules, save_tag, unassign_tag
from tags.services.assign import NOT_BY_HAND
from tags.services.days import days_of, with_carriers


class BandSerializer(PartSerializer):
    """Numbers `from` to before `to`, null without end; or `in`: values of a text; not both."""

    to = serializers.FloatField(allow_null=True, required=False, default=None)

    def get_fields(self) -> dict[str, Any]:
        """`from` and `in` are no names in Python."""
        return {
            "from": serializers.FloatField(allow_null=True, required=False, default=None),
            **super().get_fields(),
            "in": serializers.ListField(child=serializers.CharField(max_length=200), required=False, default=list),
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["in"] and (attrs["from"], attrs["to"]) != (None, None):
            raise serializers.ValidationError({"in": [_("either bounds or values, not both")]})
        return attrs


class TagValueSerializer(PartSerializer):
    """One value; those of a rule tag have a rule each, of which the first match wins."""

    key = serializers.RegexField(rf"^{KEY_PATTERN}\Z", max_length=50)
    name = serializers.CharField(max_length=100)
    rule = RuleJson(allow_null=True, default=None)
    band = BandSerializer(required=False, allow_null=True, write_only=True)

    def to_representation(self, value: TagValue) -> dict[str, Any]:
        """`band` is of those of a tag by score alone."""
        shown: dict[str, Any] = super().to_representation(value)
        band = band_of(value.rule) if value.tag.kind == Tag.Kind.SCORE else None
        if band is not None:
            shown["band"] = {"in": list(band.among)} if band.among else {"from": band.start, "to": band.end}
        return shown


class ScoreSubjectSerializer(PartSerializer):
    """A field of a scoring model."""

    model = serializers.CharField(max_length=50)
    field = serializers.CharField(max_length=50)


class TagSerializer(HolderSerializer[Tag]):
    """A tag by hand or by import, or by one rule, or by ordered values with a rule each, or by `score`: values with a
    `band` of it each. `values`, where given, replaces all.
    """

    fixed = ("key", "kind")
    rule = RuleJson(allow_null=True, required=False)
    values = TagValueSerializer(many=True, required=False)
    score = ScoreSubjectSerializer(required=False, allow_null=True, write_only=True)
    owner = serializers.SlugRelatedField(
        slug_field="username", queryset=User.objects.filter(is_active=True), allow_null=True, required=False
    )

    class Meta:
        model = Tag
        fields = (
            "key", "name", "kind", "lifecycle", "category", "owner", "description", "expires_after_days", "rule",
            "score", "values", "version", "refreshed_at", "refresh_error", "created_at",
        )  # fmt: skip
        read_only_fields = ("refreshed_at", "refresh_error", "created_at")

    def to_representation(self, instance: Tag) -> dict[str, Any]:
        """`score` is of tags by score alone."""
        shown: dict[str, Any] = super().to_representation(instance)
        return shown | ({"score": score_of(instance)} if instance.kind == Tag.Kind.SCORE else {})

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """What a kind does not have, or what would change nothing, is refused, not dropped."""
        attrs = super().validate(attrs)
        score, tag = attrs.get("score"), self.instance
        kind = tag.kind if isinstance(tag, Tag) else attrs.get("kind", Tag.Kind.MANUAL)
        if score is not None and kind != Tag.Kind.SCORE:
            raise serializers.ValidationError({"score": [_("only a tag by score has one")]})
        if score is not None and isinstance(tag, Tag) and "values" not in attrs and score != score_of(tag):
            raise serializers.ValidationError({"score": [_("send its values with it: they are bands of it")]})
        return attrs

    def create(self, validated_data: dict[str, Any]) -> Tag:
        values = values_of(validated_data.pop("values", []), validated_data.pop("score", None))
        tag = Tag(**validated_data)
        save_tag(tag, values=values, user=self.context["request"].user)
        return tag

    def update(self, instance: Tag, validated_data: dict[str, Any]) -> Tag:
        version = validated_data.pop("rule_version", None)
        values = validated_data.pop("values", None)
        score = validated_data.pop("score", None) or score_of(instance)
        for name, value in validated_data.items():
            setattr(instance, name, value)
        save_tag(
            instance,
            values=None if values is None else values_of(values, score),
            user=self.context["request"].user,
            expected_version=version,
            changed=validated_data.keys(),
        )
        return instance


def score_of(tag: Tag) -> dict[str, str] | None:
    """The score that a tag is bands of; None for others."""
    bands = [band_of(value.rule) for value in tag.values.all()] if tag.kind == Tag.Kind.SCORE else []
    return {"model": bands[0].model, "field": bands[0].field} if bands and bands[0] else None


def values_of(given: list[dict[str, Any]], score: dict[str, str] | None) -> list[TagValue]:
    """Values as they came; a band becomes the rule that says the same. Raises ValidationError."""
    values, problems = [], {}
    for place, each in enumerate(given):
        band = each.pop("band", None)
        if band is not None and score is None:
            problems[f"values[{place}].band"] = [_("of which score? name it in “score”")]
        elif band is not None and score is not None:
            each["rule"] = Band(**score, start=band["from"], end=band["to"], among=tuple(band["in"])).rule
        values.append(TagValue(**each))
    if problems:
        raise serializers.ValidationError(problems)
    return values


class RemovalsSerializer(ChosenSerializer):
    """Whom the tag is taken off: with a `value` those who carry this one, without whoever carries it."""

    value = serializers.CharField(allow_null=True, required=False, default=None)


class AssignmentsSerializer(RemovalsSerializer):
    """Who gets the tag, with which of its values, and until when (exclusive; null: without end; absent: as long as the
    tag's `expires_after_days` says, from now on, also for those who carry it already: `assigned` counts them, as their
    end moves).
    """

    expires_at = MomentField(allow_null=True, required=False)


class AssignedSerializer(serializers.Serializer[Any]):
    """Numbers of people whom the call changed, and whom it found so already; and who is unknown, as they were named."""

    assigned = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    unknown = serializers.ListField(child=serializers.JSONField())


class CarrierSerializer(serializers.Serializer[Any]):
    """The shape of a row of carriers, for the schema."""

    profile = serializers.UUIDField()
    value = serializers.CharField(allow_null=True)
    assigned_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)


class TagFilters(filters.FilterSet):
    """Without `lifecycle`, drafts and those in use. `search` looks into key, name and category."""

    owner = filters.CharFilter(field_name="owner__username")
    search = filters.CharFilter(method="keep_found")

    class Meta:
        model = Tag
        fields = ("kind", "lifecycle", "category")

    def keep_found(self, tags: QuerySet[Tag], name: str, term: str) -> QuerySet[Tag]:
        return tags.filter(is_called(term) | Q(category__icontains=term))


class CarrierFilters(filters.FilterSet):
    value = filters.CharFilter(field_name="value__key")


class ValueFilters(filters.FilterSet):
    """`search` looks into key and name."""

    search = filters.CharFilter(method="keep_found")

    def keep_found(self, values: QuerySet[TagValue], name: str, term: str) -> QuerySet[TagValue]:
        return values.filter(is_called(term))


@route("tags")
class TagViewSet(BulkActions, CrossActions, HolderViewSet):
    """Tags by key. Changed rules are refreshed at once, in full."""

    queryset = (
        Tag.objects.select_related("owner")
        .prefetch_related(Prefetch("values", TagValue.objects.order_by("position", "pk")))
        .order_by("key")
    )
    serializer_class = TagSerializer
    filterset_class = TagFilters
    holder_prefix = "tag"
    deleting_bodies = {"assignments": RemovalsSerializer}
    action_permissions = {
        "restore": ("tags.change_tag",),
        "assignments:POST": ("tags.add_tagassignment",),
        "assignments:DELETE": ("tags.delete_tagassignment",),
        "bulk:GET": ("tags.view_tagassignment",),
        "bulk:POST": ("tags.add_tagassignment", "tags.delete_tagassignment"),
        "undo_bulk": ("tags.add_tagassignment", "tags.delete_tagassignment"),
        "cross": ("tags.view_tagassignment",),
        "profiles": ("tags.view_tagassignment",),
        "sizes": ("tags.view_tagassignment",),
        "changes": ("tags.view_tagchange",),
        "all_changes": ("tags.view_tagchange",),
    }

    def get_queryset(self) -> QuerySet[Tag]:
        tags: QuerySet[Tag] = super().get_queryset()
        return tags.current() if self.action == "list" and "lifecycle" not in self.request.query_params else tags  # type: ignore[attr-defined]

    def restore_rules(self, thing: Any, version: int, user: User) -> None:
        restore_tag_rules(thing, version, user=user)

    def perform_destroy(self, instance: Tag) -> None:
        delete_tag(instance)

    @extend_schema(methods=["POST"], request=AssignmentsSerializer, responses=AssignedSerializer)
    @extend_schema(
        methods=["DELETE"],
        description="Take a tag off people. The body names them as for POST, with a `value` those who carry this one.",
        responses={200: AssignedSerializer},
    )
    @action(detail=True, methods=["post", "delete"], pagination_class=None, filterset_class=None)
    def assignments(self, request: Request, key: str) -> Response:
        """Put a tag by hand on people, and take it off by DELETE."""
        tag = self.by_hand()
        body = (AssignmentsSerializer if request.method == "POST" else RemovalsSerializer)(data=request.data)
        body.is_valid(raise_exception=True)
        chosen, now = body.chosen(), timezone.now()
        value = self.value_of(tag, body.validated_data["value"])
        if request.method == "POST":
            changed, unchanged = assign_tag(
                tag,
                chosen.profile_ids,
                value=value,
                expires_at=body.validated_data.get("expires_at", tag.end_of(now)),
                user=request.user,  # type: ignore[arg-type]
                now=now,
            )
        else:
            changed, unchanged = unassign_tag(
                tag,
                chosen.profile_ids,
                value=value,
                user=request.user,  # type: ignore[arg-type]
                now=now,
            )
        return Response({"assigned": changed, "unchanged": unchanged, "unknown": chosen.unknown})

    @extend_schema(responses=CarrierSerializer(many=True))
    @action(detail=True, filterset_class=CarrierFilters)
    def profiles(self, request: Request, key: str) -> Response:
        """Who carries the tag now."""
        if value := request.query_params.get("value"):  # misspelt, it would be nobody's
            self.value_of(get_object_or_404(Tag.objects.prefetch_related("values"), key=key), value)
        rows: QuerySet[TagAssignment, Any] = (
            TagAssignment.objects.live(timezone.now())
            .filter(tag=self._id(key))
            .order_by("profile_id")
            .values(
                "profile_id", "assigned_at", "expires_at", public_id=F("profile__public_id"), value_key=F("value__key")
            )
        )
        page: list[dict[str, Any]] = self.paginate_queryset(self.filter_queryset(rows)) or []
        return self.get_paginated_response(
            [
                {
                    "profile": row["public_id"],
                    "value": row["value_key"],
                    "assigned_at": row["assigned_at"],
                    "expires_at": row["expires_at"],
                }
                for row in page
            ]
        )

    @extend_schema(responses=TagValueSerializer(many=True))
    @action(detail=True, url_path="values", filterset_class=ValueFilters)
    def list_values(self, request: Request, key: str) -> Response:
        """Its values in their order, in pages: a tag may have a thousand."""
        values = TagValue.objects.filter(tag=self._id(key)).select_related("tag").order_by("position", "pk")
        page = self.paginate_queryset(self.filter_queryset(values)) or []
        shown = TagValueSerializer(page, many=True, context=self.get_serializer_context())
        return self.get_paginated_response(shown.data)

    @extend_schema(responses=TagDaySerializer(many=True))
    @action(detail=True, filterset_class=None)
    def sizes(self, request: Request, key: str) -> Response:
        """How many carried it by business day, the latest first; days on which nothing changed are left out. Counted
        every ten minutes from who got and lost it: who carries it now is in `profiles/`.
        """
        tag_id = self._id(key)
        page = self.paginate_queryset(days_of(tag_id)) or []
        return self.get_paginated_response(with_carriers(tag_id, page))

    @extend_schema(parameters=FEED_PARAMETERS, responses=feed_schema("TagFeed", TagChangeSerializer()))
    @action(detail=True, pagination_class=None, filterset_class=None, query_parameters=FEED_QUERY)
    def changes(self, request: Request, key: str) -> Response:
        """Who got, changed and lost the tag, in order."""
        return feed_page(TAGS, request, of={"tag": self._id(key)})

    @extend_schema(
        operation_id="tags_all_changes",
        parameters=FEED_PARAMETERS,
        responses=feed_schema("TagsFeed", TagsChangeSerializer()),
    )
    @action(detail=False, url_path="changes", pagination_class=None, filterset_class=None, query_parameters=FEED_QUERY)
    def all_changes(self, request: Request) -> Response:
        """Who got, changed and lost what, of all tags in one feed."""
        return feed_page(TAGS, request)

    def _id(self, key: str) -> int:
        return get_object_or_404(Tag.objects.only("pk"), key=key).pk

    def by_hand(self) -> Tag:
        tag: Tag = self.get_object()
        if tag.kind != Tag.Kind.MANUAL:
            raise Conflict(NOT_BY_HAND[Tag.Kind(tag.kind)] % {"tag": tag.key})
        if tag.lifecycle != Tag.Lifecycle.ACTIVE:
            raise Conflict(_("“%s” is not in use: activate or restore it first.") % tag.key)
        return tag

    def value_of(self, tag: Tag, key: str | None) -> TagValue | None:
        if key is None:
            return None
        values = {value.key: value for value in tag.values.all()}
        if key not in values:
            raise serializers.ValidationError({"value": [_("no value of this tag; known: %s") % ", ".join(values)]})
        return values[key]
