"""A small life of a few people, played in the tables, and what must be so whatever happens in it.

Facts are written by the services that write them in earnest. What rules make of them is judged by the oracle in
`tests/oracles.py`, which folds over the same moments as the workers: since when somebody is in is what it noted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction

from cdp.models import User
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
from profiles.services.consents import Said, record_consents
from profiles.services.identity import lift_separation, merge_profiles, split_profile, undo_merge
from segments.models import Membership, MembershipChange, Segment, TierChange, TierScheme, TierStanding
from segments.services import add_members, remove_members, save_segment, save_tier_scheme
from segments.services.as_of import members_as_of
from segments.services.upkeep import archive_segment, restore_segment
from tags.feeds import carried
from tags.models import Score, Tag, TagAssignment, TagChange
from tags.services import assign_tag, move_tag, save_tag, unassign_tag
from tags.services.expiry import end_expired
from tests.factories.cdp import UserFactory
from tests.factories.segments import StaticSegmentFactory
from tests.oracles import Person, holds, zone
from tests.profiles.ingest.messages import send
from tests.profiles.refresh.test_laws import ORDER, Rules
from tests.strategies import TYPES
from tests.world import World

SEGMENTS, GUESTS = ["loyal", "new"], "guests"  # by rule, and the one by hand
FEEDS: list[tuple[Any, str]] = [
    (MembershipChange, "segment__key"),
    (TagChange, "tag__key"),
    (TierChange, "scheme__key"),
]
BY_HAND = {"plain", GUESTS}


class Life:
    """`noted` is since when people are in segments, as the oracle saw it; `waiting` what those were in who are to be
    judged anew, by whom they were; `recorded` everything that was so at each moment, as it was last.
    """

    def __init__(self, world: World, now: datetime, rules: Rules) -> None:
        self.world, self.now, self.rules = world, now, rules
        self.user: User = UserFactory()
        self.guests = StaticSegmentFactory(key=GUESTS)
        self.noted: dict[tuple[str, int], datetime] = {}
        self.waiting: dict[tuple[str, int], dict[int, datetime]] = defaultdict(dict)
        self.recorded: dict[datetime, Any] = {}
        self.n_messages = self.last_profile = self.last_merge = self.last_split = 0
        self.n_parts, self.is_calm, self.marks = 0, True, self.heads()
        Tag.objects.filter(key="card").update(kind=Tag.Kind.RULE)
        for key in ORDER:
            self.write_rule(key)

    # Facts

    def hear(self, *messages: dict[str, Any]) -> None:
        with self.one_change():
            for message in messages:
                self.n_messages += 1
                message["messageId"] = f"m{self.n_messages}"
            send(self.world.source, *messages, now=self.now)

    def people(self) -> list[Profile]:
        return list(Profile.objects.current().order_by("pk"))

    def consent(self, profile: Profile, channel: str, at: datetime, state: str) -> None:
        record_consents(
            [Said(profile.pk, channel, Consent.State(state), min(at, self.now))], user=self.user, now=self.now
        )

    def tag(self, profile: Profile, expires_at: datetime | None) -> None:
        if expires_at is None or expires_at > self.now:
            assign_tag(self.world.tags["plain"], [profile.pk], expires_at=expires_at, now=self.now)

    def untag(self, profile: Profile) -> None:
        unassign_tag(self.world.tags["plain"], [profile.pk], now=self.now)

    def invite(self, profile: Profile) -> None:
        add_members(self.guests, [profile.pk], now=self.now)

    def disinvite(self, profile: Profile) -> None:
        remove_members(self.guests, [profile.pk], now=self.now)

    def score(self, profile: Profile, values: dict[str, Any] | None) -> None:
        Score.objects.filter(profile=profile).delete()
        if values is not None:
            Score.objects.create(profile=profile, model="probe", values=values, scored_at=self.now)
        ProfileChange.objects.create(profile_id=profile.pk, topic="score:probe", due_at=self.now)

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
    def one_change(self):
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
            self.n_parts += 1
            for key in SEGMENTS:
                self.hand_over(key, merge.absorbed_id, merge.survivor_id, is_archived=key in archived)
        for split in ProfileSplit.objects.filter(pk__gt=self.last_split).order_by("pk"):
            self.last_split = split.pk
            self.n_parts += 1
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

    def edit(self, key: str, rules: Rules) -> None:
        """Save other rules of a holder, which are refused where they speak of what is archived, and refresh it."""
        before, self.rules = self.rules, rules
        try:
            with transaction.atomic():
                self.write_rule(key)
        except (RuleError, ValidationError):
            self.rules = before
        self.full(key)

    def write_rule(self, key: str) -> None:
        family, _colon, name = key.partition(":")
        rules = self.rules
        if family == "segment":
            segment = Segment.objects.get(key=name)
            segment.rule = getattr(rules, name)
            save_segment(segment)
        elif family == "tag":
            tag = Tag.objects.get(key=name)
            values = list(tag.values.order_by("position"))
            for value in values:
                value.rule = getattr(rules, value.key)
            save_tag(tag, values=values)
        else:
            scheme = TierScheme.objects.get(key=name)
            tiers = list(scheme.tiers.order_by("position"))
            for tier in tiers[:-1]:
                tier.entry = rules.inside if tier.key == "in" else getattr(rules, tier.key)
            save_tier_scheme(scheme, tiers=tiers)

    def archive(self, key: str) -> None:
        self.is_calm = False
        segment = Segment.objects.get(key=key)
        try:
            with transaction.atomic():
                archive_segment(segment, user=self.user, now=self.now)
        except ValidationError:
            return

    def restore(self, key: str) -> None:
        try:
            with transaction.atomic():
                restored = restore_segment(Segment.objects.get(key=key), user=self.user)
        except RuleError:
            return  # it speaks of the card, which is archived
        if restored:
            self.full(f"segment:{key}")

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

    def full(self, key: str) -> None:
        """One that is judged in full, and those who speak of it, whoever waits on the queue: by what is about to change
        somebody may leave and come back.
        """
        self.is_calm = False
        if key not in {holder.key for holder in all_holders()}:
            return
        is_behind = ProfileChange.objects.exists()
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
        self.judge()
        self.look_for_second_rows()
        for holder in all_holders():
            with connection.cursor() as cursor:
                cursor.execute(*difference_statement(holder, scope=EVERYBODY, now=self.now))
                assert cursor.fetchall() == [], holder.key
            assert not Inheritance.objects.filter(holder=holder.key).exists()
        self.n_parts, self.is_calm, self.marks = 0, True, self.heads()

    def drain(self, limit: int) -> None:
        follow_time(now=self.now)
        while refresh_changes(now=self.now, limit=limit):
            pass

    def look_for_second_rows(self) -> None:
        """Of what rules fill, a merge or a split makes at most one row a person, with all that happened beside it."""
        if not self.is_calm:
            return
        for model, key in FEEDS:
            counts: dict[Any, int] = defaultdict(int)
            for row in (
                model.objects.filter(pk__gt=self.marks[model])
                .exclude(**{f"{key}__in": BY_HAND})
                .values_list(key, "profile")
            ):
                counts[row] += 1
            assert max(counts.values(), default=0) <= max(1, self.n_parts), (model, dict(counts))

    def heads(self) -> dict[Any, int]:
        return {model: max(model.objects.values_list("pk", flat=True), default=0) for model, _key in FEEDS}

    # What must be so

    def judge(self) -> None:
        """Each holder in order, each seeing what those before have written."""
        holders = {holder.key for holder in all_holders()}
        expected, written = {}, self.written()
        for profile in self.people():
            person = self.person(profile)
            rules, pk, now = self.rules, profile.pk, self.now
            house = "in" if holds(rules.inside, person, TYPES, now) else "out"
            person.tiers["house"] = house
            if "tag:card" in holders:
                card = next((key for key in ("gold", "blue") if holds(getattr(rules, key), person, TYPES, now)), None)
            else:
                card = written[pk][0]
            person.tags.pop("card", None)
            if card is not None:
                person.tags["card"] = (card, None)
            for key in SEGMENTS:
                waited = self.waiting.pop((key, pk), {})
                if f"segment:{key}" not in holders:
                    continue
                if holds(getattr(rules, key), person, TYPES, now):
                    since = self.noted.setdefault((key, pk), min(waited.values(), default=now))
                    person.segments[key] = since
                else:
                    self.noted.pop((key, pk), None)
                    person.segments.pop(key, None)
            club = next(
                (key for key in ("upper", "middle") if holds(getattr(rules, key), person, TYPES, now)), "lowest"
            )
            expected[pk] = (card, person.segments.get("loyal"), person.segments.get("new"), house, club)
        assert written == expected

    def person(self, profile: Profile) -> Person:
        """The facts of a person, and since when the oracle noted them in segments."""
        pk = profile.pk
        members = Membership.objects.filter(profile=pk, segment=self.guests)
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
        """By profile: value of the card, since when loyal, since when new, tiers of the house and the club."""
        cards = dict(TagAssignment.objects.filter(tag__key="card").values_list("profile", "value__key"))
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


def written_state() -> dict[tuple[str, str], dict[int, Any]]:
    """By thing and profile, what is written."""
    state: dict[tuple[str, str], dict[int, Any]] = defaultdict(dict)
    for key, pk in Membership.objects.values_list("segment__key", "profile"):
        state["segment", key][pk] = "in"
    keys = dict(Tag.objects.values_list("pk", "key"))
    everybody = list(Profile.objects.values_list("pk", flat=True))
    for (tag_id, pk), value in carried(everybody, None).items():
        state["tag", keys[tag_id]][pk] = value
    for key, pk, tier in TierStanding.objects.values_list("scheme__key", "profile", "tier__key"):
        state["tier", key][pk] = tier
    return state


def replayed(until: datetime) -> dict[tuple[str, str], dict[int, Any]]:
    """The same for whoever read the feeds until then. No row tells what was so already."""
    state: dict[tuple[str, str], dict[int, Any]] = defaultdict(dict)
    moves = MembershipChange.objects.filter(at__lte=until).order_by("pk")
    rows = [
        ("segment", key, pk, *(("in", None) if change == "left" else (None, "in")))
        for key, pk, change in moves.values_list("segment__key", "profile", "change")
    ]
    values = ("profile", "before", "after")
    rows += [
        ("tag", *row) for row in TagChange.objects.filter(at__lte=until).order_by("pk").values_list("tag__key", *values)
    ]
    rows += [
        ("tier", *row)
        for row in TierChange.objects.filter(at__lte=until).order_by("pk").values_list("scheme__key", *values)
    ]
    for family, key, pk, before, after in rows:
        held = state[family, key]
        assert held.pop(pk, None) == before != after
        if after is not None:
            held[pk] = after
    return defaultdict(dict, {thing: held for thing, held in state.items() if held})


def next_turn(now: datetime, turn: str) -> timedelta:
    """How long until a second after the next business midnight, or the next start of a month."""
    local = now.astimezone(zone())
    day = local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    while turn == "month" and day.day != 1:
        day += timedelta(days=1)
    return day - local
