"""Why a person's identifiers belong together: which message of which source linked what, as a drawing and as a table.

The drawing is an arc diagram: one line an identifier, one arc a link. It stays readable where a net would tangle, needs
no script, and labels of any language fit their line. Large ones are cut, and what is left out is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext

from profiles.masking import mask_identifier
from profiles.models import Event, Identifier, IdentityLink, Profile

MAX_NODES = 40
MAX_LINKS = 100
N_HUES = 6
LINE = 30  # height of an identifier's line; all sizes are units of the drawing
LABELS = 350  # width of the labels
WIDTH = 640
SHOWN_LENGTH = 30  # characters of a label


@dataclass(frozen=True)
class Node:
    """One identifier, as this user may see it."""

    kind: str
    value: str
    full: str
    is_personal: bool
    first_seen_at: datetime
    y: int


@dataclass(frozen=True)
class Edge:
    """One link. `path` is empty where an end is not drawn, `url`, the event of its message, where it has none."""

    number: int
    left: str
    right: str
    source: str
    hue: int
    message_id: str
    occurred_at: datetime
    url: str
    path: str = ""
    x: int = 0
    y: int = 0


@dataclass(frozen=True)
class Graph:
    nodes: list[Node]
    edges: list[Edge]
    sources: list[tuple[str, int]]  # names with their hues
    n_nodes: int  # of which the first are drawn
    n_edges_left_out: int

    @property
    def n_nodes_left_out(self) -> int:
        return self.n_nodes - len(self.nodes)

    @property
    def height(self) -> int:
        return len(self.nodes) * LINE

    @property
    def width(self) -> int:
        return WIDTH

    @property
    def dots(self) -> int:
        """Where the arcs begin."""
        return LABELS


def graph_of(profile: Profile, user: Any) -> Graph:
    """The identifiers of a profile and the links among them, earliest first; five queries."""
    links = IdentityLink.objects.filter(left__profile=profile, right__profile=profile)
    shown = list(links.select_related("source", "left__kind", "right__kind").order_by("occurred_at", "pk")[:MAX_LINKS])
    drawn = drawn_identifiers(profile, shown)
    nodes = [node_of(identifier, user, line) for line, identifier in enumerate(drawn)]
    lines = {identifier.pk: line for line, identifier in enumerate(drawn)}
    hues: dict[str, int] = {}
    for link in shown:
        hues.setdefault(link.source.name, len(hues) % N_HUES)
    urls = event_urls(profile, shown)
    edges: list[Edge] = []
    pairs: dict[tuple[int, int], int] = {}
    for number, link in enumerate(shown, start=1):
        nth = pairs[link.left_id, link.right_id] = pairs.get((link.left_id, link.right_id), -1) + 1
        edges.append(
            Edge(
                number=number,
                left=label_of(link.left, user),
                right=label_of(link.right, user),
                source=link.source.name,
                hue=hues[link.source.name],
                message_id=link.message_id,
                occurred_at=link.occurred_at,
                url=urls.get(link.pk, ""),
                **arc(lines.get(link.left_id), lines.get(link.right_id), nth),
            )
        )
    n_nodes, n_links = Identifier.objects.filter(profile=profile).count(), len(shown)
    return Graph(
        nodes=nodes,
        edges=edges,
        sources=list(hues.items()),
        n_nodes=n_nodes,
        n_edges_left_out=links.count() - n_links if n_links == MAX_LINKS else 0,
    )


def drawn_identifiers(profile: Profile, links: Sequence[IdentityLink]) -> list[Identifier]:
    """Where not all fit, those that the links shown name, the earliest first; then by priority. Shown by priority."""
    named = list(dict.fromkeys(pk for link in links for pk in (link.left_id, link.right_id)))[:MAX_NODES]
    identifiers: QuerySet[Identifier] = Identifier.objects.filter(profile=profile).select_related("kind")
    chosen = identifiers.annotate(is_named=Q(pk__in=named)).order_by("-is_named", "kind__priority", "pk")[:MAX_NODES]
    return sorted(chosen, key=lambda identifier: (identifier.kind.priority, identifier.pk))


def node_of(identifier: Identifier, user: Any, line: int) -> Node:
    value = mask_identifier(identifier.kind.key, identifier.value, user)
    return Node(
        kind=gettext(identifier.kind.label),
        value=value if len(value) <= SHOWN_LENGTH else f"{value[: SHOWN_LENGTH - 1]}…",
        full=value,
        is_personal=identifier.kind.is_personal,
        first_seen_at=identifier.first_seen_at,
        y=line * LINE + LINE // 2,
    )


def label_of(identifier: Identifier, user: Any) -> str:
    return f"{gettext(identifier.kind.label)} {mask_identifier(identifier.kind.key, identifier.value, user)}"


def arc(left: int | None, right: int | None, nth: int) -> dict[str, Any]:
    """The path between two lines, and where its number stands; the `nth` of one pair bows further than those before."""
    if left is None or right is None:
        return {}
    top, bottom = (line * LINE + LINE / 2 for line in sorted((left, right)))
    bow = min(40 + 16 * (abs(left - right) - 1) + 24 * nth, WIDTH - LABELS - 30) * 4 / 3  # a curve reaches 3/4 of it
    path = f"M {LABELS} {top:g} C {LABELS + bow:g} {top:g}, {LABELS + bow:g} {bottom:g}, {LABELS} {bottom:g}"
    return {"path": path, "x": round(LABELS + bow * 3 / 4), "y": round((top + bottom) / 2)}


def event_urls(profile: Profile, links: Sequence[IdentityLink]) -> dict[int, str]:
    """The page with the timeline from the event of each link's message on, by link id; one query.

    An event hangs on one of the two identifiers that its message linked, at the same moment.
    """
    times = {link.occurred_at for link in links}
    events = Event.objects.filter(profile=profile, occurred_at__in=times).only("occurred_at", "source_id", "anchor_id")
    found = {(event.occurred_at, event.source_id, event.anchor_id): event for event in events}
    urls = {}
    for link in links:
        for anchor_id in (link.left_id, link.right_id):
            event = found.get((link.occurred_at, link.source_id, anchor_id))
            if event is not None:
                urls[link.pk] = timeline_url(profile, event)
    return urls


def timeline_url(profile: Profile, event: Event) -> str:
    """The person's page, whose timeline begins with this event."""
    page = reverse("admin:profiles_profile_change", args=[profile.pk])
    return f"{page}?before={quote(f'{event.occurred_at.isoformat()}|{event.pk + 1}')}#timeline"
