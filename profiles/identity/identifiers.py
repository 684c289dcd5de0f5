"""The identifiers that a batch speaks of: those that are known, and those that it makes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import orjson
from django.db import connection

from cdp.copy import NULL, as_texts, begun, copy_lines, time_as_text
from cdp.rows import rows_as_json
from profiles.identity.groups import Groups, Key, Link, profile_of
from profiles.identity.links import Conflict
from profiles.identity.strangers import draw_ids
from profiles.models import Identifier


class Known(NamedTuple):
    """An identifier that exists."""

    id: int
    profile_id: int
    import_id: int | None
    first_seen_at: datetime


class Sight(NamedTuple):
    """When a batch first speaks of an identifier, and the import that alone does so, None if anything else does too."""

    at: datetime
    import_id: int | None


def load_identifiers(keys: Iterable[Key]) -> dict[Key, Known]:
    """Those of the keys that exist."""
    return read_identifiers(as_json(keys))


def as_json(keys: Iterable[Key]) -> str:
    return rows_as_json({"kind_id": kind_id, "value": value} for kind_id, value in keys)


def read_identifiers(asked: str) -> dict[Key, Known]:
    """Those of the keys that exist; the keys are written `as_json`."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT identifier.kind_id, identifier.value, identifier.id, identifier.profile_id, identifier.import_id,
                identifier.first_seen_at::text
            FROM json_to_recordset(%s) AS wanted(kind_id bigint, value text)
            JOIN profiles_identifier AS identifier
                ON identifier.kind_id = wanted.kind_id AND identifier.value = wanted.value
            """,
            [asked],
        )
        # Times as text: Django reads them by a regular expression, 4 µs each.
        return {
            Key(kind_id, value): Known(pk, profile_id, import_id, datetime.fromisoformat(first_seen_at))
            for kind_id, value, pk, profile_id, import_id, first_seen_at in cursor.fetchall()
        }


def telling(links: Iterable[Link], known: Mapping[Key, Known]) -> list[Link]:
    """Those that may say more of an identifier than is known: an earlier time, or that an import is not alone."""
    found = []
    for link in links:
        at = link.occurred_at
        for key in link.keys:
            identifier = known[key]
            if at < identifier.first_seen_at or identifier.import_id is not None:
                found.append(link)
                break
    return found


def see_identifiers(links: Iterable[Link]) -> dict[Key, Sight]:
    """Where the links first speak of each key."""
    sights: dict[Key, Sight] = {}
    for link in links:
        for key in link.keys:
            sight = sights.get(key)
            if sight is None:
                sights[key] = Sight(link.occurred_at, link.import_id)
            elif link.occurred_at < sight.at or link.import_id != sight.import_id:
                import_id = link.import_id if link.import_id == sight.import_id else None
                sights[key] = Sight(min(link.occurred_at, sight.at), import_id)
    return sights


def sights_kept(
    sights: Mapping[Key, Sight],
    links: Sequence[Link],
    kept: Mapping[int, Sequence[Key]],
    conflicts: Iterable[Conflict],
    known: Mapping[Key, Known],
) -> Mapping[Key, Sight]:
    """The sights by those links alone that kept the key; of one that was only ever left out, by them all if it is new.

    So a profile was first seen when the first of its identifiers was, and this can be told again from them.
    """
    left_out = {conflict.left_out for conflict in conflicts}
    if not left_out:
        return sights
    kept_at: dict[Key, datetime] = {key: known[key].first_seen_at for key in left_out if key in known}
    for n, keys in kept.items():
        for key in left_out.intersection(keys):
            kept_at[key] = min(kept_at.get(key, links[n].occurred_at), links[n].occurred_at)
    return {key: sight._replace(at=kept_at.get(key, sight.at)) for key, sight in sights.items()}


def write_identifiers(
    sights: Mapping[Key, Sight], known: Mapping[Key, Known], groups: Groups, strangers: Mapping[Key, int]
) -> tuple[dict[Key, int], set[int], dict[int, set[int]]]:
    """Insert the new ones in the order of (kind, value), and note where a known one was seen earlier than we knew.

    `strangers` are the profiles of the keys that are in no group. Returns the id of every key, those of the new ones,
    and the kinds that each profile gained, but for strangers.
    """
    ids = {key: identifier.id for key, identifier in known.items()}
    gained: dict[int, set[int]] = defaultdict(set)
    new = sorted([key for key in sights if key not in known], key=tuple)  # tuples of their own kind take twice as long
    owners = []
    for key in new:
        if (owner := strangers.get(key)) is None:
            owner = profile_of(groups.find(key))
            gained[owner].add(key.kind_id)
        owners.append(owner)
    new_ids = insert_identifiers(new, sights, owners) if new else {}
    met = [(known[key], sight) for key, sight in sights.items() if key in known] if known else []
    set_first_seen({identifier.id: sight.at for identifier, sight in met if sight.at < identifier.first_seen_at})
    release_from_imports(
        identifier.id for identifier, sight in met if identifier.import_id not in (None, sight.import_id)
    )
    return ids | new_ids, set(new_ids.values()), gained


def insert_identifiers(new: Sequence[Key], sights: Mapping[Key, Sight], owners: Sequence[int]) -> dict[Key, int]:
    """Returns their ids, which are drawn under the identity lock: a greater one came later.

    `owners` are in the order of `new`.
    """
    ids, _now = draw_ids(Identifier, len(new))
    values = as_texts(key.value for key in new)
    copy_lines(
        Identifier._meta.db_table,
        ["id", "kind_id", "value", "profile_id", "first_seen_at", "import_id"],
        (
            f"{pk}\t{key.kind_id}\t{value}\t{owner}\t{time_as_text(at)}\t{NULL if import_id is None else import_id}"
            for pk, key, (at, import_id), value, owner in zip(
                ids, new, map(sights.__getitem__, new), values, owners, strict=True
            )
        ),
    )
    return dict(zip(new, ids, strict=True))


def set_first_seen(seen: Mapping[int, datetime]) -> None:
    """Note where a batch of old messages saw an identifier earlier than was known."""
    if not seen:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE profiles_identifier AS identifier SET first_seen_at = least(identifier.first_seen_at, seen.at)
            FROM json_to_recordset(%s) AS seen(id bigint, at timestamptz)
            WHERE identifier.id = seen.id
            """,
            [rows_as_json({"id": identifier_id, "at": at} for identifier_id, at in seen.items())],
        )


def release_from_imports(identifier_ids: Iterable[int]) -> None:
    """Note that something beside the import that made these has named them: its taking back leaves them."""
    if not (ids := sorted(identifier_ids)):
        return
    begun(
        """
        UPDATE profiles_identifier SET import_id = NULL
        WHERE id = ANY(ARRAY(SELECT json_array_elements_text(%s)::bigint))
        """,
        [orjson.dumps(ids).decode()],
    )
