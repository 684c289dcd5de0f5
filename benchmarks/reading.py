"""Reading over HTTP, through the web process as production starts it: members, feeds and exports."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import urlsplit

import orjson
from django.db import connection
from django.utils import timezone

from benchmarks.crowd import crowded
from benchmarks.facts import SEGMENT, TAG, make_facts
from benchmarks.figure import Figure, Sizes, Stopwatch, benchmark, compared, stopwatch
from benchmarks.processes import running_processes
from cdp.roles import ADMIN
from cdp.servers.ports import HOST
from cdp.tokens import issue_token

PAGE, MOST = 1_000, 100_000  # rows that are read of each list
TRIES = 3  # of which the best counts, of ours as of the floor: other programs disturb
PAGES_FLOOR = "the SELECT by hand, a page at a time, and its rows as JSON"
FILE_FLOOR = "COPY of the same columns by hand"

MEMBERS = """
    SELECT profile.id, profile.public_id AS profile, entered_at
    FROM segments_membership AS row JOIN profiles_profile AS profile ON profile.id = row.profile_id
    WHERE segment_id = (SELECT id FROM segments_segment WHERE key = 'everybody') AND profile_id > %s
    ORDER BY profile_id LIMIT %s
"""
SEGMENT_CHANGES = """
    SELECT row.id, profile.public_id AS profile, change, cause, at, segment.key AS segment
    FROM segments_membershipchange AS row
        JOIN profiles_profile AS profile ON profile.id = row.profile_id
        JOIN segments_segment AS segment ON segment.id = row.segment_id
    WHERE row.id > %s ORDER BY row.id LIMIT %s
"""
TAG_CHANGES = """
    SELECT row.id, profile.public_id AS profile, before, after, cause, at, tag.key AS tag
    FROM tags_tagchange AS row
        JOIN profiles_profile AS profile ON profile.id = row.profile_id
        JOIN tags_tag AS tag ON tag.id = row.tag_id
    WHERE row.id > %s ORDER BY row.id LIMIT %s
"""
LISTS = {
    "members": (f"segments/{SEGMENT}/members/?", MEMBERS),
    "members_as_of": (f"segments/{SEGMENT}/members/?as_of={{now}}&", MEMBERS),
    "tag_profiles": (f"tags/{TAG}/profiles/?", MEMBERS),
    "feed": ("segments/changes/?", SEGMENT_CHANGES),
    "feed_of_one": (f"segments/{SEGMENT}/changes/?", SEGMENT_CHANGES),
    "feed_of_tags": ("tags/changes/?", TAG_CHANGES),
}
FILE = """
    COPY (
        SELECT profile.public_id, row.entered_at, profile.attributes,
            ARRAY(SELECT kind_id || ':' || value FROM profiles_identifier WHERE profile_id = profile.id)
        FROM segments_membership AS row JOIN profiles_profile AS profile ON profile.id = row.profile_id
        ORDER BY row.profile_id
    ) TO STDOUT
"""
FORMATS = ("csv", "ndjson", "parquet")


@benchmark("reading")
def reading(sizes: Sizes) -> Iterator[Figure]:
    with crowded(sizes), running_processes() as processes:
        make_facts()
        _token, text = issue_token("bench", role=ADMIN)
        connection.close()
        processes.start("web")
        processes.wait_for_web()
        client = Client(processes.port, text)
        n_rows = min(MOST, sizes.profiles)
        now = timezone.now().isoformat().replace("+", "%2B")
        for name, (path, statement) in LISTS.items():
            url = f"/api/v1/{path.format(now=now)}page_size={PAGE}"
            by_hand = best(partial(pages_by_hand, statement), n_rows)
            ours = best(partial(client.read_pages, url), n_rows)
            yield compared(f"reading_{name}", n_rows, "rows", ours, PAGES_FLOOR, by_hand)
        for file_format in FORMATS:
            url = f"/api/v1/segments/{SEGMENT}/export/?format={file_format}"
            by_hand = best(file_by_hand, sizes.profiles)
            ours = best(partial(client.read_file, url, sizes.profiles), sizes.profiles)
            yield compared(f"reading_{file_format}", sizes.profiles, "rows", ours, FILE_FLOOR, by_hand)


def best(read: Callable[[], int], n_rows: int) -> Stopwatch:
    """The quickest of TRIES."""
    found = []
    for _try in range(TRIES):
        with stopwatch() as watch:
            n_read = read()
        assert n_read == n_rows, n_read
        found.append(watch)
    return min(found, key=lambda watch: watch.seconds)


class Client:
    """One that reads with a token over one connection, page after page."""

    def __init__(self, port: int, token: str) -> None:
        self.connection = http.client.HTTPConnection(HOST, port, timeout=600)
        self.headers = {"Authorization": f"Bearer {token}"}

    def read_pages(self, url: str) -> int:
        """MOST rows, as far as there are so many; returns how many were read."""
        n_read, place = 0, url
        while place and n_read < MOST:
            page = json.loads(self.get(place))
            n_read += len(page["results"])
            if "next_after" in page:
                place = f"{url}&after={page['next_after']}" if page["results"] else ""
            else:
                following = urlsplit(page["next"] or "")
                place = f"{following.path}?{following.query}" if page["next"] else ""
        return n_read

    def read_file(self, url: str, n_rows: int) -> int:
        """Returns `n_rows` where a line each was read; of Parquet, where anything was."""
        n_lines = 0
        answer = self.answer(url)
        while piece := answer.read(1 << 20):
            n_lines += piece.count(b"\n")
        return n_rows if n_lines in (n_rows, n_rows + 1) or url.endswith("parquet") else n_lines

    def get(self, url: str) -> bytes:
        return self.answer(url).read()

    def answer(self, url: str) -> http.client.HTTPResponse:
        self.connection.request("GET", url, headers=self.headers)
        answer = self.connection.getresponse()
        assert answer.status == 200, answer.read()
        return answer


def pages_by_hand(statement: str) -> int:
    n_read, after = 0, 0
    with connection.cursor() as cursor:
        while n_read < MOST:
            cursor.execute(statement, [after, PAGE])
            names = [column.name for column in cursor.description]
            rows = cursor.fetchall()
            if not rows:
                break
            orjson.dumps([dict(zip(names, row, strict=True)) for row in rows])
            n_read, after = n_read + len(rows), rows[-1][0]
    return n_read


def file_by_hand() -> int:
    n_lines = 0
    with connection.cursor() as cursor, cursor.copy(FILE) as copy:
        for block in copy:
            n_lines += bytes(block).count(b"\n")
    return n_lines
