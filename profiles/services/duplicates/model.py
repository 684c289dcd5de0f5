"""What is compared of two people, in which steps of likeness, and how much each step tells.

`m` is how often a step is met between two profiles of one person, `u` between two strangers, among the pairs where
both sides know the field; its weight is log2(m/u). Those here serve while the data are too few to learn from.

Source: Fellegi and Sunter, "A Theory for Record Linkage" (1969); in the words of Splink, whose settings these become.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

ALIKE = 0.9  # of Jaro and Winkler
LEAST_FREQUENCY = 0.0001  # rarer values tell no more
DIFFERS = "differs"
OTHER_FIRST = "other_first"


@dataclass(frozen=True)
class Level:
    """A step of likeness. `sql` speaks of `<column>_l` and `<column>_r`; "" is for whatever no step above took.

    A rare value of the column `frequency_of` tells more than a common one.
    """

    key: str
    sql: str
    m: float
    u: float
    frequency_of: str = ""


@dataclass(frozen=True)
class Comparison:
    """The steps of one field, the most alike first. `columns` hold it; it is unknown where all of them are NULL."""

    field: str
    columns: tuple[str, ...]
    levels: tuple[Level, ...]

    @property
    def unknown(self) -> str:
        """SQL for a pair of which a side does not know the field."""
        return " OR ".join(f"coalesce({', '.join(f'{name}_{side}' for name in self.columns)}) IS NULL" for side in "lr")

    @property
    def known(self) -> str:
        """SQL for a person of whom the field is known."""
        return f"coalesce({', '.join(self.columns)}) IS NOT NULL"


def same(column: str) -> str:
    return f"{column}_l = {column}_r"


def alike(column: str, least: float = ALIKE) -> str:
    return f"jaro_winkler_similarity({column}_l, {column}_r) >= {least}"


def one_edit(column: str) -> str:
    return f"damerau_levenshtein({column}_l, {column}_r) <= 1"


def in_common(column: str) -> str:
    return f"list_has_any({column}_l, {column}_r)"


def some(column: str, condition: str) -> str:
    """`condition` holds of an `x` in the left list and a `y` in the right."""
    return f"len(list_filter({column}_l, lambda x: len(list_filter({column}_r, lambda y: {condition})) > 0)) > 0"


# Day and month change places: 1990-04-12 and 1990-12-04.
SWAPPED_DAY = (
    "birthday_l[1:4] = birthday_r[1:4] AND birthday_l[6:7] = birthday_r[9:10] AND birthday_l[9:10] = birthday_r[6:7]"
)
OTHER_GIVEN = f"family_l = family_r AND NOT ({alike('given', 0.8)})"

COMPARISONS = (
    Comparison(
        "name",
        ("name",),
        (
            Level("same", f"{same('given')} AND {same('family')}", 0.67, 0.0005, "name"),
            Level("swapped", same("name"), 0.03, 0.00005, "name"),
            Level("same_letters", same("letters"), 0.03, 0.00005, "letters"),
            Level("alike", f"{alike('given', 0.85)} AND {alike('family', 0.85)}", 0.15, 0.0005),
            Level(OTHER_FIRST, OTHER_GIVEN, 0.02, 0.01),
            Level("same_last", same("family"), 0.03, 0.002, "family"),
            Level("same_first", same("given"), 0.03, 0.003, "given"),
            Level("partly", alike("name", 0.8), 0.02, 0.003),
            Level(DIFFERS, "", 0.02, 0.9809),
        ),
    ),
    Comparison(
        "email",
        ("emails",),
        (
            Level("same", in_common("emails"), 0.3, 0.000002),
            Level("same_local", in_common("locals"), 0.2, 0.00002),
            Level("one_edit", some("emails", "damerau_levenshtein(x, y) <= 1"), 0.1, 0.00001),
            Level("alike", some("locals", "jaro_winkler_similarity(x, y) >= 0.92"), 0.1, 0.0005),
            Level(DIFFERS, "", 0.3, 0.999468),
        ),
    ),
    Comparison(
        "phone",
        ("phones",),
        (
            Level("same", in_common("phones"), 0.4, 0.000002),
            Level("one_edit", some("phones", "damerau_levenshtein(x, y) <= 1"), 0.15, 0.000002),
            Level("same_end", some("phones", "x[-7:] = y[-7:]"), 0.05, 0.000002),
            Level(DIFFERS, "", 0.4, 0.999994),
        ),
    ),
    Comparison(
        "birthday",
        ("birthday",),
        (
            Level("same", same("birthday"), 0.87, 0.00005),
            Level("one_edit", one_edit("birthday"), 0.06, 0.0008),
            Level("swapped", SWAPPED_DAY, 0.01, 0.00005),
            Level(DIFFERS, "", 0.06, 0.9991),
        ),
    ),
    Comparison(
        "gender",
        ("gender",),
        (Level("same", same("gender"), 0.97, 0.5), Level(DIFFERS, "", 0.03, 0.5)),
    ),
    Comparison(
        "street",
        ("street",),
        (
            Level("same", same("street"), 0.5, 0.0001, "street"),
            Level("alike", alike("street", 0.85), 0.25, 0.001),
            Level(DIFFERS, "", 0.25, 0.9989),
        ),
    ),
    # In one: a postcode, its city and its province say nearly the same, and would count three times.
    Comparison(
        "place",
        ("postcode", "city", "province"),
        (
            Level("same", f"{same('postcode')} AND {alike('city')}", 0.5, 0.001, "postcode"),
            Level("near", f"{one_edit('postcode')} AND {alike('city')}", 0.15, 0.0005),
            Level("same_postcode", same("postcode"), 0.1, 0.001, "postcode"),
            Level("same_city", same("city"), 0.15, 0.03, "city"),
            Level("same_province", same("province"), 0.06, 0.15),
            Level(DIFFERS, "", 0.04, 0.8175),
        ),
    ),
)

FREQUENCY_COLUMNS = tuple(
    dict.fromkeys(level.frequency_of for each in COMPARISONS for level in each.levels if level.frequency_of)
)

# People who share one of these are compared. Columns that are NULL make no key.
BLOCKING_KEYS = {
    "name": "name",
    "letters": "letters",
    "letters_birthday": "letters || birthday",
    "letters_city": "letters || '|' || city",
    "letters_street": "letters || '|' || street",
    "name_start": "given[1:3] || '|' || family[1:3]",
    "birthday": "birthday",
    "last_name_birth_year": "family || birthday[1:4]",
    "first_name_birth_year": "given || birthday[1:4]",
    "last_name_postcode": "family || '|' || postcode",
    "first_name_postcode": "given || '|' || postcode",
    "last_name_city": "family || '|' || city",
    "first_name_city": "given || '|' || city",
    "street": "street",
    "last_name_street": "family || '|' || regexp_replace(street, '^[0-9]+', '')[1:8]",
    "first_name_street": "given || '|' || regexp_replace(street, '^[0-9]+', '')[1:8]",
    "postcode_city": "postcode || '|' || city",
    "email": "unnest(emails)",
    "email_local": "unnest(locals)",
    "phone": "unnest(phones)",
    "phone_end": "unnest(list_transform(phones, lambda x: x[-7:]))",
    "phone_start": "unnest(list_transform(phones, lambda x: x[:-4])) || '|' || family",
}


def settings_of(comparisons: Iterable[Comparison], *, prior: float) -> dict[str, Any]:
    """As Splink takes them; `prior` is the probability that any two are one person."""
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "id",
        "probability_two_random_records_match": prior,
        "comparisons": [_as_splink(comparison) for comparison in comparisons],
        "blocking_rules_to_generate_predictions": [],
        "retain_matching_columns": True,
        "retain_intermediate_calculation_columns": True,
    }


def _as_splink(comparison: Comparison) -> dict[str, Any]:
    unknown = {"sql_condition": comparison.unknown, "label_for_charts": "unknown", "is_null_level": True}
    return {
        "output_column_name": comparison.field,
        "comparison_levels": [unknown, *(_level_as_splink(level) for level in comparison.levels)],
    }


def _level_as_splink(level: Level) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "sql_condition": level.sql or "ELSE",
        "label_for_charts": level.key,
        "m_probability": level.m,
        "u_probability": level.u,
    }
    if level.frequency_of:
        shown |= {
            "tf_adjustment_column": level.frequency_of,
            "tf_minimum_u_value": LEAST_FREQUENCY,
            "disable_tf_exact_match_detection": True,
        }
    return shown
