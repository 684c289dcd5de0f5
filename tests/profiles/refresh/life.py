"""A small life of a few people, played in the tables, and what must be so whatever happens in it.

What rules make of the facts (`facts.py`) is judged by the oracle in `tests/oracles.py`, which folds over the same
moments as the workers: since when somebody is in is what it noted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import QuerySet

from cdp.models import Run
from cdp.rules.causes import Cause
from cdp.rules.errors import RuleError
from cdp.rules.holders import all_holders, holder_of
from cdp.rules.scope import EVERYBODY
from profiles.identity.errors import IdentityError
from profiles.models import (
    Consent,
    Event,
    Identifier,
    Inheritance,
    Profile,
    ProfileChange,
    ProfileMerge,
    ProfileSplit,
    Separation,
)
from profiles.refresh.changes import refresh_changes
from profiles.refresh.clock import follow_time
from profiles.refresh.engine import difference_statement
from profiles.refresh.full import Progress, refresh_in_full, refresh_one
from profiles.refresh.graph import Graph
from profiles.services.identity import lift_separation, merge_profiles, split_profile, undo_merge
from segments.models import Membership, Segment, TierScheme, TierStanding
from segments.services import (
    archive_segment,
    delete_segment,
    duplicate_segment,
    restore_segment,
    save_segment,
    save_tier_scheme,
)
from segments.services.as_of import members_as_of
from segments.services.fill import fill_segment
from tags.models import Score, Tag, TagAssignment
from tags.services import move_tag, save_tag
from tags.services.expiry import end_expired, purge_ended
from tests.oracles import Person, holds, zone
from tests.profiles.refresh.facts import Facts
from tests.profiles.refresh.test_laws import ORDER, Rules
from tests.profiles.refresh.told import FEEDS, replayed, written_state
from tests.strategies import GUESTS, SEGMENTS
from tests.world import World

FROZEN = "frozen"
BY_HAND = {"plain", GUESTS, FROZEN}


class Life(Facts):
    """`noted` is since when people are in segments, as the oracle saw it; `waiting` what those were in who are to be
    judged anew, by whom they were; `recorded` everything that was so at each moment, as it was last.
    """

    def __init__(self, world: World, now: datetime, rules: Rules) -> None:
        super().__init__(world, now)
        self.rules = rules
        self.noted: dict[tuple[str, int], datetime] = {}
        self.waiting: dict[tuple[str, int], dict[int, datetime]] = defaultdict(dict)
        self.recorded: dict[datetime, Any] = {}
        self.last_profile = self.last_merge = self.last_split = 0
        self.n_parts, self.is_calm, self.marks = Counter[int](), True, self.heads()
        Tag.objects.filter(key__in=["card", "solo"]).update(kind=Tag.Kind.RULE)
        for key in ORDER:
            self.write_rule(key)

    # Who is whom

    def merge(self, one: Profile, other: Profile) -> None:
        with self.one_change():
            self.try_to(lambda: merge_profiles([one.pk, other.pk], user=None, now=self.now))

    def undo(self, merge: ProfileMerge) -> None:
        with self.one_change():
            self.try_to(lambda: undo_merge(merge, user=None, now=self.now))

    def split(self, profile: Profile, identifiers: list[Identifier]) -> None:
        with self.one_change():
            self.try_to(lambda: split_profile(profile, identifiers, user=None, now=self.now))

    def lift(self, separation: Separation) -> None:
        lift_separation(separation, user=None, now=self.now)

    def try_to(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except IdentityError:
            return

    @contextmanager
    def one_change(self) -> Iterator[None]:
        """Nobody's state of a thing is told twice by one merge, split or batch."""
        marks = self.heads()
        yield
        for model, key in FEEDS:
            rows = list(model.objects.filter(pk__gt=marks[model]).values_list(key, "profile"))
            assert len(rows) == len(set(rows)), (model, rows)
        self.follow()

    def follow(self) -> None:
        """What the oracle notes of merges and splits."""
        Profile.objects.filter(pk__gt=self.last_profile).update(created_at=self.now)
        self.last_profile = max(Profile.objects.values_list("pk", flat=True), default=0)
        archived = set(Segment.objects.filter(archived_at__isnull=False).values_list("key", flat=True))
        for merge in ProfileMerge.objects.filter(pk__gt=self.last_merge).order_by("pk"):
            self.last_merge = merge.pk
            self.n_parts[merge.absorbed_id] += 1
            self.happened.add(Cause.MERGE)
            for key in SEGMENTS:
                self.hand_over(key, merge.absorbed_id, merge.survivor_id, is_archived=key in archived)
        for split in ProfileSplit.objects.filter(pk__gt=self.last_split).order_by("pk"):
            self.last_split = split.pk
            self.happened.add(Cause.SPLIT)
            for profile_id in (split.from_profile_id, split.to_profile_id):
                self.read_anew(profile_id)

    def hand_over(self, key: str, absorbed: int, survivor: int, *, is_archived: bool) -> None:
        self.waiting[key, survivor] |= self.waiting.pop((key, absorbed), {})
        since = self.noted.pop((key, absorbed), None)
        if since is None:
            return
        if (key, survivor) in self.noted or is_archived:
            self.noted[key, survivor] = min(since, self.noted.get((key, survivor), since))
        else:
            self.waiting[key, survivor][absorbed] = since

    def read_anew(self, profile_id: int) -> None:
        """What comes back of a person who was taken apart, `tests/segments/test_parting.py` says."""
        for key in SEGMENTS:
            self.noted.pop((key, profile_id), None)
            waiting = Inheritance.objects.filter(holder=f"segment:{key}", profile=profile_id)
            self.waiting[key, profile_id] = dict(waiting.values_list("origin", "since"))
        members = Membership.objects.filter(profile=profile_id, segment__key__in=SEGMENTS)
        self.noted |= {(key, profile_id): at for key, at in members.values_list("segment__key", "entered_at")}

    # Rules

    def edit(self, key: str, rules: Rules, *, is_busy: bool = False) -> None:
        """Save other rules of a holder, which are refused where they speak of what is archived, and refresh it; where
        the workers are busy, after whoever waited on the queue was judged.
        """
        before, self.rules = self.rules, rules
        try:
            with transaction.atomic():
                self.write_rule(key)
        except (RuleError, ValidationError):
            self.rules = before
        if is_busy:
            self.judge_while_it_waits(key)
        self.full(key, was_judged=is_busy)

    def judge_while_it_waits(self, key: str) -> None:
        """Where all are still to be judged because of the edit, people move for that reason; elsewhere for others."""
        Run.objects.exclude(subject=key).delete()
        awaited = set(Graph.load().downstream([key]) if Run.objects.exists() else [])
        marks = self.heads()
        while refresh_changes(now=self.now):
            pass
        for (model, name), family in zip(FEEDS, ["segment", "tag", "tier"], strict=True):
            for held, cause in set(model.objects.filter(pk__gt=marks[model]).values_list(name, "cause")):
                assert (cause == Cause.RULE) == (f"{family}:{held}" in awaited), (held, cause)

    def write_rule(self, key: str) -> None:
        family, _colon, name = key.partition(":")
        rules = self.rules
        if family == "segment":
            segment = Segment.objects.filter(key=name).first() or Segment(key=name, name=name)
            segment.rule = getattr(rules, name)
            save_segment(segment)
        elif family == "tag":
            tag = Tag.objects.get(key=name)
            values = list(tag.values.order_by("position"))
            if not values:
                tag.rule = getattr(rules, tag.key)
            for value in values:
                value.rule = getattr(rules, value.key)
            save_tag(tag, values=values)
        else:
            scheme = TierScheme.objects.get(key=name)
            tiers = list(scheme.tiers.order_by("position"))
            for tier in tiers[:-1]:
                tier.entry = rules.inside if tier.key == "in" else getattr(rules, tier.key)
            save_tier_scheme(scheme, tiers=tiers)

    def archive(self, segment: Segment) -> None:
        self.is_calm = False
        try:
            with transaction.atomic():
                archive_segment(segment, user=self.user, now=self.now)
        except ValidationError:
            return

    def restore(self, segment: Segment) -> None:
        try:
            with transaction.atomic():
                restored = restore_segment(segment, user=self.user)
        except RuleError:
            return  # it speaks of the card, which is archived
        if restored:
            self.full(f"segment:{segment.key}")

    def drop(self, segment: Segment) -> None:
        """Its history goes with it; an edit makes it again."""
        try:
            with transaction.atomic():
                delete_segment(segment)
        except ValidationError:
            return
        self.is_calm = False
        for held in (self.noted, self.waiting):
            for key in [key for key in held if key[0] == segment.key]:
                del held[key]
        for state in self.recorded.values():
            state.pop(("segment", segment.key), None)

    def freeze(self, segment: Segment) -> None:
        """Once; from then on hands alone move its members."""
        if Segment.objects.filter(key=FROZEN).exists():
            return
        duplicate_segment(segment, key=FROZEN, name=FROZEN, user=self.user, as_snapshot=True)
        fill_segment(FROZEN, source=None, now=self.now)
        self.happened.add(Cause.DATA)
        inside, frozen = (
            set(Membership.objects.filter(segment__key=key).values_list("profile", flat=True))
            for key in (segment.key, FROZEN)
        )
        assert frozen == inside

    def pass_time(self, span: timedelta) -> None:
        self.now += span
        self.happened.add(Cause.TIME)
        if ProfileChange.objects.exists():  # what is still to come
            self.happened.add(Cause.DATA)

    def redefine(self, key: str, *, type_: str, survivorship: str) -> None:
        for holder in self.define(key, type_=type_, survivorship=survivorship):
            self.full(holder)

    def move_card(self, lifecycle: Tag.Lifecycle) -> None:
        self.is_calm = False
        try:
            with transaction.atomic():
                run = move_tag(Tag.objects.get(key="card"), lifecycle, user=self.user)
        except (RuleError, ValidationError):
            return
        if run:
            self.full("tag:card")

    # The workers

    def full(self, key: str, *, was_judged: bool = False) -> None:
        """One that is judged in full, and those who speak of it, whoever waits on the queue: by what is about to change
        somebody may leave and come back.
        """
        self.is_calm = False
        self.happened.add(Cause.RULE)
        if key not in {holder.key for holder in all_holders()}:
            return
        is_behind = was_judged or ProfileChange.objects.exists()
        refresh_in_full(holder_of(key), now=self.now, cause=Cause.RULE)
        if is_behind:
            self.drain(500)
            for profile in self.people():
                self.read_anew(profile.pk)
        self.work()

    def check(self, key: str) -> None:
        """The nightly check may come at any moment, and finds nothing."""
        progress = Progress(None)
        refresh_one(key, now=self.now, cause=Cause.CORRECTION, progress=progress)
        assert progress.done == 0

    def work(self, limit: int = 500) -> None:
        """The clock and the queue; then all is as the oracle says, and a full refresh finds nothing."""
        self.drain(limit)
        end_expired(now=self.now)
        purge_ended(now=self.now)
        self.judge()
        self.look_for_second_rows()
        self.look_for_causes()
        for holder in all_holders():
            with connection.cursor() as cursor:
                cursor.execute(*difference_statement(holder, scope=EVERYBODY, now=self.now))
                assert cursor.fetchall() == [], holder.key
            assert not Inheritance.objects.filter(holder=holder.key).exists()
        self.n_parts, self.is_calm, self.marks = Counter[int](), True, self.heads()
        self.happened.clear()

    def drain(self, limit: int) -> None:
        Run.objects.all().delete()  # `full` plays them
        follow_time(now=self.now)
        while refresh_changes(now=self.now, limit=limit):
            pass

    def look_for_second_rows(self) -> None:
        """Of what rules fill, there is one row a person, whatever happened since all was as it should be, and one more
        each time that they were taken in.
        """
        if not self.is_calm:
            return
        for model, key in FEEDS:
            counts = Counter(self.rows_by_rule(model, key).values_list(key, "profile"))
            for (_key, profile_id), n_rows in counts.items():
                assert n_rows <= 1 + self.n_parts[profile_id], (model, counts)

    def look_for_causes(self) -> None:
        """Nothing is said to come of what did not happen."""
        for model, key in FEEDS:
            assert set(self.rows_by_rule(model, key).values_list("cause", flat=True)) <= self.happened, model

    def rows_by_rule(self, model: Any, key: str) -> QuerySet[Any, Any]:
        """Of what rules fill, what was told since the workers had done all."""
        rows: QuerySet[Any, Any] = model.objects.filter(pk__gt=self.marks[model])
        return rows.exclude(**{f"{key}__in": BY_HAND})

    def heads(self) -> dict[Any, int]:
        return {model: max(model.objects.values_list("pk", flat=True), default=0) for model, _key in FEEDS}

    # What must be so

    def judge(self) -> None:
        """Each holder in order, each seeing what those before have written."""
        holders = {holder.key for holder in all_holders()}
        expected, written = {}, self.written()
        for profile in self.people():
            person = self.person(profile)
            pk = profile.pk
            person.tiers["house"] = self.first(person, {"inside": "in"}) or "out"
            self.judge_tag(person, "card", ["gold", "blue"], is_judged="tag:card" in holders, held=written[pk][0])
            self.judge_tag(person, "solo", ["solo"], is_judged=True, held=None)
            for key in SEGMENTS:
                waited = self.waiting.pop((key, pk), {})
                if f"segment:{key}" not in holders:
                    continue
                if self.first(person, {key: key}):
                    since = self.noted.setdefault((key, pk), min(waited.values(), default=self.now))
                    person.segments[key] = since
                else:
                    self.noted.pop((key, pk), None)
                    person.segments.pop(key, None)
            expected[pk] = (
                person.tags.get("card", (None, None))[0],
                "solo" in person.tags,
                *(person.segments.get(key) for key in SEGMENTS),
                person.tiers["house"],
                self.first(person, {"upper": "upper", "middle": "middle"}) or "lowest",
            )
        assert written == expected

    def judge_tag(self, person: Person, tag: str, parts: list[str], *, is_judged: bool, held: str | None) -> None:
        """What the person carries of a tag by rule; `held` where nothing judges it."""
        carried = self.first(person, dict(zip(parts, parts, strict=True))) if is_judged else held
        if carried is not None:
            person.tags[tag] = (carried, None)

    def first(self, person: Person, outcomes: dict[str, str]) -> str | None:
        """The first outcome, by the names of rules, whose rule holds."""
        rules = ((getattr(self.rules, name), outcome) for name, outcome in outcomes.items())
        return next((outcome for rule, outcome in rules if holds(rule, person, self.types, self.now)), None)

    def person(self, profile: Profile) -> Person:
        """The facts of a person, and since when the oracle noted them in segments."""
        pk = profile.pk
        members = Membership.objects.filter(profile=pk, segment__key__in=[GUESTS, FROZEN])
        segments = dict(members.values_list("segment__key", "entered_at"))
        plain = TagAssignment.objects.filter(profile=pk, tag__key="plain").first()
        consents: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        for channel, at, state in Consent.objects.filter(profile=pk).values_list("channel", "occurred_at", "state"):
            consents[channel].append((at, state))
        return Person(
            attributes=profile.attributes,
            created_at=profile.created_at,
            first_seen_at=profile.first_seen_at,
            last_seen_at=profile.last_seen_at,
            public_id=profile.public_id,
            events=[
                {"name": event.definition.name, "occurred_at": event.occurred_at, "value": event.value}
                | {"properties": event.properties}
                for event in Event.objects.filter(profile=pk).select_related("definition")
            ],
            tags=dict.fromkeys(["plain"], (None, plain.expires_at)) if plain else {},
            segments=segments | {key: self.noted[key, pk] for key in SEGMENTS if (key, pk) in self.noted},
            scores={row.model: row.values for row in Score.objects.filter(profile=pk)},
            identifiers=set(Identifier.objects.filter(profile=pk).values_list("kind__key", flat=True)),
            consents=dict(consents),
        )

    def written(self) -> dict[int, tuple[Any, ...]]:
        """By profile: value of the card, solo or not, since when loyal, since when new, tiers of the house and the
        club.
        """
        cards = dict(TagAssignment.objects.filter(tag__key="card").values_list("profile", "value__key"))
        solo = set(TagAssignment.objects.filter(tag__key="solo").values_list("profile", flat=True))
        segments = {
            key: dict(Membership.objects.filter(segment__key=key).values_list("profile", "entered_at"))
            for key in SEGMENTS
        }
        tiers = {
            key: dict(TierStanding.objects.filter(scheme__key=key).values_list("profile", "tier__key"))
            for key in ("house", "club")
        }
        return {
            person.pk: (
                cards.get(person.pk),
                person.pk in solo,
                *(segments[key].get(person.pk) for key in SEGMENTS),
                *(tiers[key].get(person.pk) for key in ("house", "club")),
            )
            for person in self.people()
        }

    def look(self) -> None:
        """Whoever reads the feeds knows what is so; and nobody who is merged away is in anything."""
        state = written_state()
        assert replayed(self.now) == state
        assert {pk for key in state for pk in state[key]} <= {person.pk for person in self.people()}
        sizes = dict(Segment.objects.values_list("key", "n_members"))
        assert {key: len(state.get(("segment", key), ())) for key in sizes} == sizes
        self.recorded[self.now] = state

    def look_back(self) -> None:
        """As of each moment, what was recorded then."""
        for at, state in self.recorded.items():
            assert replayed(at) == state
            for segment in Segment.objects.all():
                members = set(members_as_of(segment.pk, at).values_list("profile", flat=True))
                assert members == set(state.get(("segment", segment.key), ()))


def next_turn(now: datetime, turn: str) -> timedelta:
    """How long until a second after the next business midnight, or the next start of a month."""
    local = now.astimezone(zone())
    day = local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    while turn == "month" and day.day != 1:
        day += timedelta(days=1)
    return day - local
