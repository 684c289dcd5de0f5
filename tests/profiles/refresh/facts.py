"""The facts in a life, written by the services that write them in earnest; `life.py` says what comes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile

from cdp.models import Run, User
from cdp.rules.causes import Cause
from profiles.imports.engine import import_rows
from profiles.models import AttributeDefinition, Consent, EventDefinition, Import, Profile, ProfileChange
from profiles.services.consents import Said, record_consents
from profiles.services.definitions import refold, save_attribute
from profiles.services.imports import create_import, queue_import, take_back
from profiles.services.take_back import take_back_rows
from segments.models import Segment
from segments.services import add_members, remove_members
from tags.models import Score
from tags.services import assign_tag, unassign_tag
from tests.factories.cdp import UserFactory
from tests.profiles.ingest.messages import send
from tests.strategies import GUESTS, TYPES
from tests.world import World

COLUMNS = {"user_id": "User", "anonymous_id": "Visitor", "email": "Mail"}
MAPPING = {
    "identifiers": {column: kind for kind, column in COLUMNS.items()},
    "traits": {"City": "city", "Born": "birthday"},
    "event": "Buy",
    "properties": {"Total": {"key": "total", "type": "number"}},
    "time": "Time",
    "message_id": ["Receipt"],
    "tags": [{"tag": "plain", "when": {"column": "Tagged"}}],
    "segments": [{"segment": GUESTS, "when": {"column": "Invited"}}],
}
HEADS = [*COLUMNS.values(), "City", "Born", "Total", "Time", "Receipt", "Tagged", "Invited"]


class Facts:
    """`happened` are the causes that a change may have by now; `types` those of attributes and scores."""

    def __init__(self, world: World, now: datetime) -> None:
        self.world, self.now = world, now
        self.user: User = UserFactory()
        self.guests = Segment.objects.get(key=GUESTS)
        EventDefinition.objects.filter(name="Buy").update(value_property="total")
        self.types = dict(TYPES)
        self.happened: set[str] = set()
        self.n_messages = 0

    @contextmanager
    def one_change(self) -> Iterator[None]:
        """What a merge, split or batch must keep."""
        yield

    def people(self) -> list[Profile]:
        return list(Profile.objects.current().order_by("pk"))

    def hear(self, *messages: dict[str, Any]) -> None:
        self.happened.add(Cause.DATA)
        with self.one_change():
            for message in messages:
                message["messageId"] = self.next_message()
            send(self.world.source, *messages, now=self.now)

    def next_message(self) -> str:
        self.n_messages += 1
        return f"m{self.n_messages}"

    def load(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Import a file of rows by the names of HEADS but `Receipt`."""
        self.happened.add(Cause.DATA)
        cells = [[{**row, "Receipt": self.next_message()}.get(head, "") for head in HEADS] for row in rows]
        content = "\n".join(",".join(each) for each in [HEADS, *cells])
        import_ = create_import(
            ContentFile(content.encode()), name="f.csv", source=self.world.source, mapping=MAPPING, now=self.now
        )
        with self.one_change():
            import_rows(import_, queue_import(import_, user=None), now=self.now)
        self.end_runs(import_)

    def take_back(self, import_: Import) -> None:
        """May leave nobody of a person."""
        self.happened |= {Cause.DATA, Cause.ERASED}
        with self.one_change():
            take_back_rows(import_, take_back(import_, user=None), now=self.now)
        self.end_runs(import_)

    def end_runs(self, import_: Import) -> None:
        Run.objects.filter(subject=f"import:{import_.pk}").update(state=Run.State.SUCCEEDED)

    def define(self, key: str, *, type_: str, survivorship: str) -> list[str]:
        """Another type or survivorship for an attribute, unless rules forbid it; the keys of whom that concerns."""
        definition = AttributeDefinition.objects.get(key=key)
        definition.type, definition.survivorship = type_, survivorship
        try:
            run = save_attribute(definition, user=self.user)
        except ValidationError:
            return []
        self.types[key] = type_
        if run is None:
            return []
        Run.objects.unfinished().update(state=Run.State.SUCCEEDED)  # what they were to do was done without them
        refold(run)
        return list(Run.objects.unfinished().order_by("pk").values_list("subject", flat=True))

    def consent(self, profile: Profile, channel: str, at: datetime, state: str) -> None:
        self.happened.add(Cause.DATA)
        record_consents(
            [Said(profile.pk, channel, Consent.State(state), min(at, self.now))], user=self.user, now=self.now
        )

    def tag(self, profile: Profile, expires_at: datetime | None) -> None:
        self.happened.add(Cause.DATA)
        if expires_at is None or expires_at > self.now:
            assign_tag(self.world.tags["plain"], [profile.pk], expires_at=expires_at, now=self.now)

    def untag(self, profile: Profile) -> None:
        self.happened.add(Cause.DATA)
        unassign_tag(self.world.tags["plain"], [profile.pk], now=self.now)

    def invite(self, profile: Profile) -> None:
        self.happened.add(Cause.DATA)
        add_members(self.guests, [profile.pk], now=self.now)

    def disinvite(self, profile: Profile) -> None:
        self.happened.add(Cause.DATA)
        remove_members(self.guests, [profile.pk], now=self.now)

    def score(self, profile: Profile, values: dict[str, Any] | None) -> None:
        self.happened.add(Cause.DATA)
        Score.objects.filter(profile=profile).delete()
        if values is not None:
            Score.objects.create(profile=profile, model="probe", values=values, scored_at=self.now)
        ProfileChange.objects.create(profile_id=profile.pk, topic="score:probe", due_at=self.now)
