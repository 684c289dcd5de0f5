"""What attributes mean, and what a change of it brings about."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from cdp.locks import lock_edited
from cdp.models import Run, User
from cdp.runs import advance, queue_run
from profiles.ingest.contributions import IDENTIFIER_ATTRIBUTES, stored
from profiles.ingest.refold import CHUNK, refold_chunk, wait_for_batches
from profiles.ingest.schemas import SchemaError, check_schema, schema_from
from profiles.ingest.survivorship import POLICIES, fitting_survivorships
from profiles.ingest.traits import ATTRIBUTE_OF_TRAIT
from profiles.models import (
    AttributeDefinition,
    AttributeType,
    Contribution,
    Event,
    EventDefinition,
    IdentifierKind,
    Profile,
    Source,
    Survivorship,
)
from profiles.refresh.graph import Graph
from profiles.refresh.queue import REFOLD, queue_full_refresh
from profiles.refresh.saving import check_users, lock_rules
from profiles.services.event_values import check_path, check_value, failed_promotion, is_promoted, queue_promotion

N_SAMPLED = 1_000
N_EXAMPLES = 5
N_EVENTS_SEEN = 200  # of which a schema is made
FOLD_CHUNK = 2_000  # people locked at a time where nothing is read from events


@dataclass(frozen=True)
class Consequences:
    """What a change sets off. `users` are the names of tags, segments and tier schemes that are refreshed in full,
    `misfits` some of the values that the new type cannot hold, of `n_sampled` that were looked at.
    """

    n_values: int
    reads_events: bool
    users: list[str]
    n_sampled: int = 0
    n_misfits: int = 0
    misfits: list[Any] = field(default_factory=list)


def topic_of(key: str) -> str:
    return f"attribute:{key}"


def check_attribute(definition: AttributeDefinition) -> None:
    """Raises ValidationError where type and survivorship cannot be those of the attribute."""
    if definition.key in IDENTIFIER_ATTRIBUTES and definition.type != AttributeType.TEXT:
        raise ValidationError({"type": _("E-mail and phone are identifiers too, and stay text.")})
    fitting = fitting_survivorships(definition.type)
    if definition.survivorship not in fitting:
        names = ", ".join(str(Survivorship(each).label) for each in fitting)
        raise ValidationError(
            {"survivorship": _("Does not fit this type; those that do: %(names)s.") % {"names": names}}
        )


def check_key(key: str) -> None:
    """Raises ValidationError for a name of what Strata itself knows of a profile, which messages cannot set."""
    if key in ATTRIBUTE_OF_TRAIT:
        raise ValidationError({"key": _("Messages call this %(name)s.") % {"name": ATTRIBUTE_OF_TRAIT[key]}})


def is_refolded(before: AttributeDefinition, after: AttributeDefinition) -> bool:
    """Whether golden records may be others after the change."""
    return (before.type, before.survivorship) != (after.type, after.survivorship)


def reads_events(before: AttributeDefinition, after: AttributeDefinition) -> bool:
    """Whether contributions do not hold what the change needs: another type is coerced from what was sent."""
    return before.type != after.type or after.survivorship in POLICIES


def consequences_of(before: AttributeDefinition, after: AttributeDefinition) -> Consequences | None:
    """What saving `after` in place of `before` would do; None where no value changes."""
    if not is_refolded(before, after):
        return None
    sampled, misfits = sample_misfits(after) if before.type != after.type else (0, [])
    graph = Graph.load()
    return Consequences(
        n_values=Contribution.objects.filter(definition=before.pk).count(),
        reads_events=reads_events(before, after),
        users=[graph.holders[key].label for key in graph.concerned(topic_of(before.key))],
        n_sampled=sampled,
        n_misfits=len(misfits),
        misfits=misfits[:N_EXAMPLES],
    )


def sample_misfits(definition: AttributeDefinition) -> tuple[int, list[Any]]:
    """How many of the latest values were tried, and those that the type of `definition` cannot hold."""
    kinds = {kind.key: kind for kind in IdentifierKind.objects.all()}
    rows = Contribution.objects.filter(definition=definition.pk).order_by("-pk").select_related("source")[:N_SAMPLED]
    tried = [(row.value, stored(row.value, definition, kinds, row.source.default_region)[1]) for row in rows]
    return len(tried), [value for value, fits in tried if not fits]


def save_attribute(
    definition: AttributeDefinition, *, user: User | None, changed: Collection[str] | None = None
) -> Run | None:
    """Save a definition, new or changed; returns the run that folds its values again, where they may be others now.

    Of one that is there the `changed` fields are saved; None: all.

    Raises:
        ValidationError: type and survivorship do not fit, or a rule does not fit the type (StillUsed).
    """
    with transaction.atomic():
        lock_rules()
        before = lock_edited(definition, changed)
        check_attribute(definition)
        if before is None:
            check_key(definition.key)
            definition.save()
            return None
        check_plan(before.is_discovered, definition.is_discovered)
        if not is_refolded(before, definition):
            definition.save()
            return None
        graph = Graph.load()  # before: a rule that no longer parses depends on nothing
        users = [graph.holders[key] for key in graph.concerned(topic_of(definition.key))]
        definition.save()
        check_users(users, str(definition))
        params = {"attribute": definition.key} if reads_events(before, definition) else {}
        return queue_run(REFOLD, topic_of(definition.key), user, params)


def check_plan(was_discovered: bool, is_discovered: bool) -> None:
    """Raises ValidationError where something planned would be discovered again."""
    if is_discovered and not was_discovered:
        raise ValidationError({"is_discovered": _("What was planned stays planned.")})


def save_event_definition(
    definition: EventDefinition, *, user: User | None, changed: Collection[str] | None = None
) -> Run | None:
    """Save the definition of an event, new or changed; returns the run that gives the events stored so far their value,
    where it is named now, or the last such run failed. Of one that is there the `changed` fields are saved; None: all.

    Raises ValidationError for a schema or a path to a value that cannot be used, and where another value is named than
    before.
    """
    if definition.schema is not None:
        try:
            check_schema(definition.schema)
        except SchemaError as error:
            raise ValidationError({"schema": str(error)}) from error
    with transaction.atomic():
        before = lock_edited(definition, changed)
        if before is None or is_promoted(before, definition):  # what stands already stays, however it is written
            check_path(definition.value_property)
        if before is None:
            definition.save()
            return None
        check_plan(before.is_discovered, definition.is_discovered)
        check_value(before, definition)
        definition.save()
        if is_promoted(before, definition) or failed_promotion(definition) is not None:
            return queue_promotion(definition, user)
        return None


def suggested_schema(definition: EventDefinition) -> tuple[dict[str, Any] | None, int]:
    """A schema that the latest events fit, and of how many it was made; None without any."""
    latest = Event.objects.filter(definition=definition.pk).order_by("-occurred_at")
    samples = list(latest.values_list("properties", flat=True)[:N_EVENTS_SEEN])
    return (schema_from(samples) if samples else None), len(samples)


def plan(definitions: QuerySet[EventDefinition] | QuerySet[AttributeDefinition]) -> int:
    """Make discovered definitions planned; returns how many."""
    return definitions.filter(is_discovered=True).update(is_discovered=False)


def save_source(source: Source, *, user: User | None, changed: Collection[str] | None = None) -> Run | None:
    """Save a source, new or changed; returns the run that folds all values again, where its rank is another now.

    Of one that is there the `changed` fields are saved; None: all. `replace_write_key` alone replaces its write key.
    """
    with transaction.atomic():
        before = lock_edited(source, changed)
        source.save()
        if before is None or before.rank == source.rank:
            return None
        return queue_run(REFOLD, f"source:{source.key}", user)


def consequences_of_rank(source: Source) -> Consequences:
    """What another rank of `source` would do: any attribute may then be another source's."""
    graph = Graph.load()
    keys = set(AttributeDefinition.objects.values_list("key", flat=True))
    concerned: Collection[str] = {holder for key in keys for holder in graph.concerned(topic_of(key))}
    return Consequences(
        n_values=Contribution.objects.filter(source=source.pk).count(),
        reads_events=False,
        users=[graph.holders[key].label for key in graph.holders if key in concerned],
    )


def refold(run: Run) -> None:
    """Fold everybody again, a chunk a transaction, and have what depends on it refreshed in full.

    `run.params` hold how far it came: cut off anywhere, it goes on there.
    """
    wait_for_batches()
    key: str | None = run.params.get("attribute")
    total = Profile.objects.current().count()
    limit = FOLD_CHUNK if key is None else CHUNK
    while refold_next(run, key, limit=limit) is not None:
        advance(run, min(run.params["n_profiles"], total), total, changed=run.params["n_changed"])
    family, _colon, named = run.subject.partition(":")
    keys = {*run.params.get("keys", []), *([named] if family == "attribute" else [])}
    graph = Graph.load()
    users = sorted({user for each in keys for user in graph.concerned(topic_of(each))})
    for user in users:
        queue_full_refresh(user, user=run.user)
    advance(run, total, total, changed=run.params.get("n_changed", 0), refreshed=len(users))


@transaction.atomic
def refold_next(run: Run, key: str | None, *, limit: int) -> int | None:
    """The next chunk, and in the same transaction how far the run is; None where nobody is left."""
    said = run.params
    done = refold_chunk(said.get("after", 0), rebuild=key, limit=limit)
    if done.last_id is not None:
        run.params = {
            **said,
            "after": done.last_id,
            "n_profiles": said.get("n_profiles", 0) + done.n_profiles,
            "n_changed": said.get("n_changed", 0) + done.n_changed,
            "keys": sorted({*said.get("keys", []), *done.keys}),
        }
        run.save(update_fields=["params"])
    return done.last_id
