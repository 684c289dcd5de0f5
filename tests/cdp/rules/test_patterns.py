"""The subset of regular expressions: what it takes, and that PostgreSQL reads it as Python does."""

import re

import pytest
from django.db import connection

from cdp.rules.patterns import PatternError, to_postgres

TEXTS = [
    "",
    "a",
    "ab",
    "Oslo",
    "張三",
    "a.b",
    "a\nb",
    "x-1",
    "]",
    "^",
    "12",
    "٣",
    "é_",
    " ",
    "\u00a0",
    "aaaa",
    "$",
    "😀",
    "a\\",
    "[",
    "{2}",
    "A-",
]


@pytest.mark.parametrize(
    "pattern",
    [
        "a",
        "^a",
        "b$",
        "^$",
        "a|b",
        "(a|b)b",
        "(|a)b",
        "a.b",
        "a*b",
        "a+",
        "a?b",
        "a{2}",
        "a{2,}",
        "^a{1,3}$",
        "[ab]",
        "[^ab]",
        "[a-z]+",
        r"\d",
        r"\w",
        r"\s",
        r"[\d]",
        r"[^\w]",
        r"[\]\-x]",
        r"[a-]",
        r"\.",
        r"\$",
        r"\[",
        r"\{2\}",
        "張",
        "[一-龥]",
        "😀|x",
        "(a(b|c))",
        r"^\w+\-\d$",
        "]",
        "}",
        r"\\",
        "-",
        "[.]",
        "[$^]",
        "(ab){2}",
        "(a)(b)",
        "***:a".replace("*", r"\*"),
    ],
)
@pytest.mark.django_db
def test_postgresql_and_python_agree(pattern):
    ours = to_postgres(pattern)
    python = re.compile(re.sub(r"(?<!\\)\$(?!\^)$", r"\\Z", pattern), re.ASCII | re.DOTALL)

    with connection.cursor() as cursor:
        cursor.execute("SELECT text FROM unnest(%s::text[]) AS text WHERE text ~ %s", [TEXTS, ours])
        found = [text for (text,) in cursor.fetchall()]

    assert found == [text for text in TEXTS if python.search(text)]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(a+)+", "a repeated group must not hold a repeat, at character 5 of the pattern"),
        ("((a*)b)*", "a repeated group must not hold a repeat, at character 8 of the pattern"),
        ("a**", "a repeat must not be repeated, at character 3 of the pattern"),
        ("a+?", "a repeat must not be repeated, at character 3 of the pattern"),
        ("a{101}", "a repeat counts from a smaller to a greater number, up to 100, at character 2 of the pattern"),
        ("a{3,2}", "a repeat counts from a smaller to a greater number, up to 100, at character 2 of the pattern"),
        ("a{,2}", "a repeat is written {m}, {m,} or {m,n}, and a brace itself \\{, at character 2 of the pattern"),
        ("*a", "a repeat with nothing before it, at character 1 of the pattern"),
        ("^*", "^ and $ cannot be repeated, at character 2 of the pattern"),
        ("(a", "a group that is not closed, at character 3 of the pattern"),
        ("a)", "a closing bracket without an opening one, at character 2 of the pattern"),
        ("(?i)a", "groups with (? are not known, at character 2 of the pattern"),
        (r"\b", "after a backslash stands d, w, s or a punctuation mark, at character 2 of the pattern"),
        (r"(a)\1", "after a backslash stands d, w, s or a punctuation mark, at character 5 of the pattern"),
        ("a\\", "after a backslash stands d, w, s or a punctuation mark, at character 3 of the pattern"),
        (
            "[]",
            "a class that is empty, not closed, or holds a bracket without a backslash, at character 2 of the pattern",
        ),
        (
            "[[:alpha:]]",
            "a class that is empty, not closed, or holds a bracket without a backslash, at character 2 of the pattern",
        ),
        ("[z-a]", "a range runs from a smaller to a greater character, at character 4 of the pattern"),
        (r"[\d-z]", "a range runs from a smaller to a greater character, at character 5 of the pattern"),
    ],
)
def test_what_is_outside_the_subset_is_refused(pattern, message):
    with pytest.raises(PatternError) as refused:
        to_postgres(pattern)

    assert str(refused.value) == message


WORST = [
    "x" + ".{0,100}" * 24,
    "a" + "(a|b){100}" * 19,
    "[ab]*a[ab]{100}$",
    "(a|ab|abc|b|bc){100}" * 9,
    "[^a]{0,100}" * 18,
]


@pytest.mark.parametrize("pattern", WORST)
def test_the_worst_that_the_subset_allows_takes_milliseconds(pattern, db):
    assert len(pattern) <= 200
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '60s'")  # one that runs away takes hours
        cursor.execute("SELECT %s ~ %s", ["ab" * 5_000, to_postgres(pattern)])
        assert cursor.fetchone() is not None
