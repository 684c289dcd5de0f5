"""What is compared of each person, in one spelling, from the tables into a Parquet file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.db import connection

CHUNK = 5_000  # people a statement; 5 MB
MAX_VALUES = 5  # of e-mails and phones each

# Where people keep what Strata ships no attribute for; the first that is there counts.
STREET_KEYS = ("address.street", "street", "address.line1", "address")
POSTCODE_KEYS = ("address.postalCode", "address.postal_code", "address.zip", "postcode", "postal_code", "zip")

TEXT_COLUMNS = ("given", "family", "name", "letters", "birthday", "gender", "street", "postcode", "city", "province")
LIST_COLUMNS = ("emails", "phones", "locals")
GENDERS = {"m": "m", "male": "m", "man": "m", "男": "m", "男性": "m", "先生": "m",
           "f": "f", "female": "f", "woman": "f", "女": "f", "女性": "f", "女士": "f"}  # fmt: skip
# What forms fill in where nobody answers.
NO_BIRTHDAYS = frozenset({"1900-01-01", "1970-01-01", "2000-01-01", "0001-01-01"})
ROLE_ADDRESSES = frozenset({"admin", "contact", "hello", "info", "kefu", "mail", "noreply", "office", "postmaster",
                            "sales", "service", "shop", "support", "test", "webmaster"})  # fmt: skip
TWO_CHARACTER_SURNAMES = frozenset({"欧阳", "司马", "上官", "诸葛", "司徒", "东方", "皇甫", "尉迟", "公孙", "令狐",
                                    "慕容", "夏侯", "端木", "独孤", "南宫", "长孙", "宇文", "闻人",
                                    "万俟"})  # fmt: skip
# Family names that are read otherwise than their characters mostly are.
SURNAME_READINGS = {"万俟": "moqi", "乐": "yue", "仇": "qiu", "区": "ou", "单": "shan", "尉迟": "yuchi", "曾": "zeng",
                    "朴": "piao", "查": "zha", "盖": "ge", "翟": "zhai", "解": "xie", "覃": "qin"}  # fmt: skip
_HAN = re.compile(r"[\u3400-\u9fff]{2,5}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")

Record = dict[str, Any]


def write_records(path: Path, *, on_chunk: Callable[[int], None]) -> int:
    """Everybody of whom there is something to compare, into a Parquet file; returns how many.

    A chunk at a time, each in a statement of its own: no long snapshot holds up the database's cleaning.
    `on_chunk` is told how many were written so far.
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([
        ("id", pa.int64()),
        *((name, pa.string()) for name in TEXT_COLUMNS),
        *((name, pa.list_(pa.string())) for name in LIST_COLUMNS),
    ])  # fmt: skip
    n_written = 0
    with parquet.ParquetWriter(path, schema) as writer:
        for chunk in read_chunks():
            records = [record for row in chunk if (record := record_of(*row)) is not None]
            writer.write_table(pa.Table.from_pylist(records, schema=schema))
            n_written += len(records)
            on_chunk(n_written)
    return n_written


def read_chunks() -> Iterator[list[tuple[Any, ...]]]:
    """Rows for `record_of`, by id."""
    last_id = 0
    while rows := read_after(last_id):
        yield rows
        last_id = rows[-1][0]


def read_after(last_id: int) -> list[tuple[Any, ...]]:
    """The next current profiles with their texts, e-mails and phones."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT profile.id,
                   profile.attributes ->> 'name',
                   profile.attributes ->> 'first_name',
                   profile.attributes ->> 'last_name',
                   profile.attributes ->> 'birthday',
                   profile.attributes ->> 'gender',
                   profile.attributes ->> 'city',
                   profile.attributes ->> 'province',
                   ARRAY(SELECT profile.attributes ->> key
                         FROM unnest(%(street)s::text[]) WITH ORDINALITY AS listed (key, n) ORDER BY n),
                   ARRAY(SELECT profile.attributes ->> key
                         FROM unnest(%(postcode)s::text[]) WITH ORDINALITY AS listed (key, n) ORDER BY n),
                   ARRAY[profile.attributes ->> 'email'] || ARRAY(
                       SELECT value FROM profiles_identifier AS identifier
                       JOIN profiles_identifierkind AS kind ON kind.id = identifier.kind_id
                       WHERE identifier.profile_id = profile.id AND kind.normaliser = 'email'
                       ORDER BY identifier.id DESC LIMIT %(values)s),
                   ARRAY[profile.attributes ->> 'phone'] || ARRAY(
                       SELECT value FROM profiles_identifier AS identifier
                       JOIN profiles_identifierkind AS kind ON kind.id = identifier.kind_id
                       WHERE identifier.profile_id = profile.id AND kind.normaliser = 'phone'
                       ORDER BY identifier.id DESC LIMIT %(values)s)
            FROM profiles_profile AS profile
            WHERE profile.merged_into_id IS NULL AND profile.id > %(last)s
            ORDER BY profile.id
            LIMIT %(chunk)s
            """,
            {
                "street": list(STREET_KEYS),
                "postcode": list(POSTCODE_KEYS),
                "values": MAX_VALUES,
                "last": last_id,
                "chunk": CHUNK,
            },
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def record_of(
    profile_id: int,
    name: str | None,
    first_name: str | None,
    last_name: str | None,
    birthday: str | None,
    gender: str | None,
    city: str | None,
    province: str | None,
    streets: Sequence[str | None],
    postcodes: Sequence[str | None],
    emails: Sequence[str | None],
    phones: Sequence[str | None],
) -> Record | None:
    """One person in one spelling, None where there is nothing to go by: an anonymous visitor, or a city alone."""
    given, family = (squeeze(first_name), squeeze(last_name)) if first_name or last_name else split_name(name)
    addresses = distinct(email for email in emails if email and "@" in email)
    record = {
        "id": profile_id,
        "given": given,
        "family": family,
        "name": "|".join(sorted(filter(None, (given, family)))) or None,
        "letters": letters_of(given, family),
        "birthday": birthday if birthday and _DATE.fullmatch(birthday) and birthday not in NO_BIRTHDAYS else None,
        "street": first_of(streets),
        "postcode": first_of(postcodes),
        "emails": addresses or None,
        "phones": distinct(phone for phone in phones if phone) or None,
        "locals": distinct(filter(None, map(local_part, addresses))) or None,
    }
    if not any(record[key] for key in ("name", "emails", "phones")):
        return None
    folded_gender = squeeze(gender)
    return record | {
        "gender": GENDERS.get(folded_gender or "", folded_gender),
        "city": squeeze(city and city.strip().removesuffix("市")),
        "province": squeeze(province and province.strip().removesuffix("省")),
    }


def fold(text: str) -> str:
    """Full width to half, without case and accents; Ä and a are one."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def squeeze(text: str | None) -> str | None:
    """Letters and digits alone, None where there are none."""
    return "".join(character for character in fold(text) if character.isalnum()) or None if text else None


def split_name(name: str | None) -> tuple[str | None, str | None]:
    """Given and family name: 张 三 and 张三 alike, "Ann B. Olsen" and "Olsen, Ann B."."""
    folded = fold(name or "").strip()
    joined = squeeze(folded) or ""
    if _HAN.fullmatch(joined):
        cut = 2 if joined[:2] in TWO_CHARACTER_SURNAMES and len(joined) > 2 else 1
        return joined[cut:], joined[:cut]
    family, comma, given = folded.partition(",")
    if not comma:
        given, _space, family = folded.rpartition(" ")
    return squeeze(given), squeeze(family)


def letters_of(given: str | None, family: str | None) -> str | None:
    """The Latin letters of a name, sorted: alike for 张晓明, Zhang Xiaoming, Xiao-Ming ZHANG and 章小明."""
    from anyascii import anyascii

    family_read = SURNAME_READINGS.get(family or "", family or "")
    return "".join(sorted(squeeze(anyascii(family_read + (given or ""))) or "")) or None


def local_part(email: str) -> str | None:
    """What stands before the @, without a +tag and punctuation; None where it is too short or names an office."""
    local = squeeze(email.partition("@")[0].partition("+")[0])
    return local if local and len(local) > 3 and local not in ROLE_ADDRESSES else None


def first_of(texts: Iterable[str | None]) -> str | None:
    return next((squeezed for text in texts if (squeezed := squeeze(text))), None)


def distinct(texts: Iterable[str]) -> list[str]:
    """In their order, at most `MAX_VALUES`."""
    return list(dict.fromkeys(texts))[:MAX_VALUES]
