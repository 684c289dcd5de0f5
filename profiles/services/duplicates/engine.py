"""Finding probable pairs among the records, with Splink on a DuckDB of its own that spills to disk.

Splink and DuckDB are an extra (requirements/duplicates.txt): they are imported where the work is done, so that
everything else runs without them.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from profiles.services.duplicates.model import (
    BLOCKING_KEYS,
    COMPARISONS,
    FREQUENCY_COLUMNS,
    LEAST_FREQUENCY,
    Comparison,
    settings_of,
)

MEMORY_LIMIT = "120MB"  # of DuckDB alone; a worker that searches stays under 500 MB (tried on a million people)
SEED = 1
MAX_BLOCK = 200  # people who share one key: of more, such as all of a common name, none are compared by it
MAX_PAIRS = 10_000_000
PART = 500_000  # pairs that are found and weighed at a time, so that they fit into the memory
MIN_PEOPLE_TO_LEARN = 1_000
SAMPLED_PAIRS = 2_000_000
MIN_LESSON = 100  # pairs
# Each learns the steps of the other fields, among people who are alike in two. One alone is not enough: of a million
# people who share a birthday one pair in a thousand is one person, and the method settled on something else (tried).
SAME_NAME, SAME_BIRTHDAY = "l.given = r.given AND l.family = r.family", "l.birthday = r.birthday"
SAME_PLACE, SAME_STREET = "l.city = r.city", "l.street = r.street"
LESSONS = {
    f"{SAME_NAME} AND {SAME_BIRTHDAY}": {"name", "birthday"},
    f"{SAME_NAME} AND {SAME_PLACE}": {"name", "place"},
    f"{SAME_NAME} AND {SAME_STREET}": {"name", "street"},
    f"{SAME_BIRTHDAY} AND {SAME_PLACE}": {"birthday", "place"},
    f"{SAME_BIRTHDAY} AND {SAME_STREET}": {"birthday", "street"},
}
LEAST_SAME, MOST_DIFFERENT = 0.1, 0.5  # of the pairs of one person, for what was learnt to make sense
PRIOR_DUPLICATES = 0.05  # people who have a second profile, before anything is learnt
LEAST_DUPLICATES = 0.001
PRIOR_ROUNDS = 25
LEAST_BITS = -10  # pairs of less than 1 in 1,000 weigh nothing for the prior, and are not kept

logger = logging.getLogger(__name__)


class NotInstalled(RuntimeError):
    """The extra is missing; the text says what to install."""


class Evidence(NamedTuple):
    """One field of a pair: its step of likeness, and how much that tells, in bits (negative: against)."""

    field: str
    level: str
    weight: float


class Found(NamedTuple):
    """A probable pair, left < right by profile id; fields unknown on a side are not in the evidence."""

    left: int
    right: int
    probability: float
    evidence: list[Evidence]


@dataclass(frozen=True)
class Blocked:
    """How many pairs were compared, and what was left out because too many people share a key."""

    n_pairs: int
    n_blocks_left_out: int
    n_pairs_left_out: int


def is_installed() -> bool:
    return all(find_spec(name) is not None for name in ("splink", "duckdb", "pyarrow", "anyascii"))


def check_installed() -> None:
    """Raises NotInstalled."""
    if not is_installed():
        raise NotInstalled(
            "The search for duplicates needs an extra that is not installed: "
            "pip install --require-hashes -r requirements/run.txt -r requirements/duplicates.txt, "
            "then start the workers again."
        )


class Engine:
    """One search: `load`, `block`, `learn`, `score`, in this order, in `folder`, which the caller deletes."""

    def __init__(self, folder: Path) -> None:
        check_installed()
        import duckdb

        logging.getLogger("splink").setLevel(logging.ERROR)
        self.connection: Any = duckdb.connect(str(folder / "work.duckdb"))
        self.connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        self.connection.execute("SET temp_directory = ?", [str(folder / "spill")])
        self.connection.execute("SET threads = 2")
        self.connection.execute("SET preserve_insertion_order = false")
        self.n_people, self.n_parts = 0, 1

    def close(self) -> None:
        self.connection.close()

    def load(self, records: Path) -> None:
        """Take in the records, with how frequent their values are, and choose what can be compared of them.

        Frequencies are kept of frequent values alone, since rarer ones all tell as much: the tables stay small.
        """
        self.connection.read_parquet(str(records)).create_view("records")
        for name in FREQUENCY_COLUMNS:
            self._run(
                f"""
                CREATE TABLE frequent_{name} AS
                SELECT {name}, count(*) / (SELECT count({name}) FROM records) AS tf_{name}
                FROM records WHERE {name} IS NOT NULL
                GROUP BY {name} HAVING tf_{name} > {LEAST_FREQUENCY}
                """
            )
        frequencies = ", ".join(f"coalesce(tf_{name}, 0) AS tf_{name}" for name in FREQUENCY_COLUMNS)
        joins = " ".join(f"LEFT JOIN frequent_{name} USING ({name})" for name in FREQUENCY_COLUMNS)
        self._run(f"CREATE TABLE people AS SELECT records.*, {frequencies} FROM records {joins}")
        self.n_people = self._number("SELECT count(*) FROM people")
        known = {
            comparison.field: self._number(f"SELECT count(*) FROM people WHERE {comparison.known}")
            for comparison in COMPARISONS
        }
        self.comparisons = tuple(each for each in COMPARISONS if known[each.field] > 1)

    def block(self, excluded: Iterable[Sequence[tuple[Any, ...]]], *, max_pairs: int = MAX_PAIRS) -> Blocked:
        """Choose the pairs to compare: those who share a key, the rarest keys first, until there are `max_pairs`.

        `excluded` are chunks of pairs that are not to be compared, less id first.
        """
        import pyarrow as pa

        self._run("CREATE TABLE excluded (l BIGINT, r BIGINT)")
        for chunk in excluded:
            self.connection.register("given", pa.table(list(zip(*chunk, strict=True)), names=["l", "r"]))
            self._run("INSERT INTO excluded SELECT l, r FROM given")
        self._run("CREATE TABLE keys (key UBIGINT, id BIGINT)")
        for name, expression in BLOCKING_KEYS.items():
            self._run(
                f"INSERT INTO keys SELECT DISTINCT hash('{name}', value), id "
                f"FROM (SELECT {expression} AS value, id FROM people) WHERE value IS NOT NULL"
            )
        self._run(
            """
            CREATE TABLE blocks AS
            SELECT key, n, n * (n - 1) // 2 AS pairs,
                   sum(n * (n - 1) // 2) OVER (ORDER BY n, key ROWS UNBOUNDED PRECEDING) AS total
            FROM (SELECT key, count(*) AS n FROM keys GROUP BY key HAVING count(*) > 1)
            """
        )
        kept = f"n <= {MAX_BLOCK} AND total <= {max_pairs}"
        self._run(f"CREATE TABLE shared AS SELECT key, id FROM keys WHERE key IN (SELECT key FROM blocks WHERE {kept})")
        self._run("DROP TABLE keys")
        n_with_repeats = self._number(f"SELECT coalesce(sum(pairs), 0) FROM blocks WHERE {kept}")
        self.n_parts = 1 + n_with_repeats // PART
        self._run("CREATE TABLE pairs (l BIGINT, r BIGINT)")
        for part in range(self.n_parts):
            self._run(
                f"""
                INSERT INTO pairs
                SELECT DISTINCT one.id, other.id
                FROM shared AS one
                JOIN shared AS other USING (key)
                WHERE one.id % {self.n_parts} = {part} AND one.id < other.id
                  AND NOT EXISTS (SELECT 1 FROM excluded WHERE l = one.id AND r = other.id)
                """
            )
        blocked = Blocked(
            n_pairs=self._number("SELECT count(*) FROM pairs"),
            n_blocks_left_out=self._number(f"SELECT count(*) FROM blocks WHERE NOT ({kept})"),
            n_pairs_left_out=self._number(f"SELECT coalesce(sum(pairs), 0) FROM blocks WHERE NOT ({kept})"),
        )
        self._run("DROP TABLE shared")
        self._run("DROP TABLE blocks")
        return blocked

    def learn(self) -> list[str]:
        """Learn from the data how much each step tells; returns the fields for which they sufficed.

        What strangers have in common is counted on a sample; what two profiles of one person have, by expectation
        maximisation among those alike in two other fields. A field whose result makes no sense (duplicates that hardly
        ever are the same in it, or mostly differ) keeps the weights of `model.py`.
        """
        if self.n_people < MIN_PEOPLE_TO_LEARN:
            return []
        linker = self._linker(self.comparisons)
        linker.training.estimate_u_using_random_sampling(max_pairs=SAMPLED_PAIRS, seed=SEED)
        fields = {comparison.field for comparison in self.comparisons}
        for lesson, alike_in in LESSONS.items():
            if alike_in <= fields and self._has_pairs(lesson):
                linker.training.estimate_parameters_using_expectation_maximisation(
                    lesson,
                    fix_probability_two_random_records_match=False,
                    max_pairs=SAMPLED_PAIRS,
                    record_sample_proportion=min(1.0, 20_000 / self.n_people),
                )
        learnt = [trained(comparison, linker) for comparison in self.comparisons]
        self.comparisons = tuple(
            new if new is not None else old for new, old in zip(learnt, self.comparisons, strict=True)
        )
        return [comparison.field for comparison in learnt if comparison is not None]

    def score(self, *, on_part: Callable[[int], None]) -> None:
        """Weigh the pairs, a part at a time; `on_part` is told how many pairs were weighed so far."""
        if not self.comparisons:
            return
        linker = self._linker(self.comparisons)
        self._run("CREATE TABLE part (join_key_l BIGINT, join_key_r BIGINT, match_key VARCHAR)")
        linker.table_management.register_blocked_pairs_for_predict(linker._db_api.register("part"))
        bits = " + ".join(map(weight_of, self.comparisons))
        columns = ", ".join([
            *(f"gamma_{each.field}::TINYINT AS gamma_{each.field}" for each in self.comparisons),
            *(f"({weight_of(each)})::FLOAT AS weight_{each.field}" for each in self.comparisons),
        ])  # fmt: skip
        n_weighed = 0
        for part in range(self.n_parts):
            self._run("TRUNCATE part")
            self._run(f"INSERT INTO part SELECT l, r, '0' FROM pairs WHERE l % {self.n_parts} = {part}")
            scored = linker.inference.predict(threshold_match_weight=LEAST_BITS, warning_mode="never")
            weighed = f"SELECT id_l, id_r, {bits} AS bits, {columns} FROM {scored.physical_name}"
            self._run(f"INSERT INTO weighed {weighed}" if part else f"CREATE TABLE weighed AS {weighed}")
            scored.drop_table_from_database_and_remove_from_cache()
            n_weighed += self._number("SELECT count(*) FROM part")
            on_part(n_weighed)

    def found(self, *, threshold: float, at_most: int) -> tuple[int, Iterator[Found]]:
        """How many of the weighed pairs are at least so probable, and they themselves, the most probable first."""
        if not self.comparisons:
            return 0, iter(())
        least = odds_bits(threshold) - odds_bits(self._prior())
        n_found = self._number(f"SELECT count(*) FROM weighed WHERE bits >= {least}")
        return n_found, self._found(least, odds_bits(threshold) - least, at_most)

    def _found(self, least: float, prior_bits: float, at_most: int) -> Iterator[Found]:
        fields = [comparison.field for comparison in self.comparisons]
        levels = {
            each.field: {len(each.levels) - 1 - place: level.key for place, level in enumerate(each.levels)}
            for each in self.comparisons
        }
        columns = ", ".join([*(f"gamma_{field}" for field in fields), *(f"weight_{field}" for field in fields)])
        rows = self.connection.cursor().execute(
            f"SELECT id_l, id_r, bits, {columns} FROM weighed WHERE bits >= {least} "
            f"ORDER BY bits DESC, id_l, id_r LIMIT {at_most}"
        )
        while chunk := rows.fetchmany(5_000):
            for left, right, bits, *values in chunk:
                gammas, told = values[: len(fields)], values[len(fields) :]
                evidence = [
                    Evidence(field, levels[field][gamma], round(weight, 1))
                    for field, gamma, weight in zip(fields, gammas, told, strict=True)
                    if gamma >= 0
                ]
                yield Found(left, right, probability_of(bits + prior_bits), evidence)

    def _prior(self) -> float:
        """The probability that any two are one person, from the weights of all that were compared.

        The share that fits best, by repeated weighing; strangers who were not compared count as strangers.
        """
        n_all = self.n_people * (self.n_people - 1) / 2
        if not n_all:
            return 0.5
        prior = PRIOR_DUPLICATES * self.n_people / n_all
        if self.n_people < MIN_PEOPLE_TO_LEARN:
            return min(prior, 0.5)
        for _round in range(PRIOR_ROUNDS):
            odds = math.log2(prior / (1 - prior))
            expected = self._value(
                f"SELECT coalesce(sum(1 / (1 + pow(2, -least(greatest(bits + {odds}, -60), 60)))), 0) FROM weighed"
            )
            prior = max(expected, LEAST_DUPLICATES * self.n_people) / n_all
        return prior

    def _linker(self, comparisons: Iterable[Comparison]) -> Any:
        from splink import Linker
        from splink.backends.duckdb import DuckDBAPI

        database = DuckDBAPI(self.connection)
        prior = min(0.5, 2 * PRIOR_DUPLICATES / max(1, self.n_people - 1))
        linker = Linker(
            database.register("people"), settings_of(comparisons, prior=prior), log_level=None, validate_settings=False
        )
        for name in FREQUENCY_COLUMNS:
            linker.table_management.register_term_frequency_lookup(database.register(f"frequent_{name}"), name)
        return linker

    def _has_pairs(self, lesson: str) -> bool:
        some = f"SELECT 1 FROM people AS l JOIN people AS r ON {lesson} AND l.id < r.id LIMIT {MIN_LESSON}"
        return self._number(f"SELECT count(*) FROM ({some})") == MIN_LESSON

    def _run(self, statement: str) -> None:
        self.connection.execute(statement)

    def _value(self, statement: str) -> float:
        """Of a statement with one row; read to its end, or DuckDB takes the connection for busy."""
        [(value,)] = self.connection.execute(statement).fetchall()
        return float(value)

    def _number(self, statement: str) -> int:
        return int(self._value(statement))


def weight_of(comparison: Comparison) -> str:
    """SQL for what a field tells of a scored pair, in bits."""
    weight = f"mw_{comparison.field}"
    has_frequency = any(level.frequency_of for level in comparison.levels)
    return f"{weight} + coalesce(mw_tf_adj_{comparison.field}, 0)" if has_frequency else weight


def trained(comparison: Comparison, linker: Any) -> Comparison | None:
    """The comparison with what was learnt, None where that makes no sense."""
    (found,) = [each for each in linker._settings_obj.comparisons if each.output_column_name == comparison.field]
    shares = [(level.m_probability, level.u_probability) for level in found._comparison_levels_excluding_null]
    if not makes_sense(shares):
        return None
    levels = tuple(replace(level, m=m, u=u) for level, (m, u) in zip(comparison.levels, shares, strict=True))
    return replace(comparison, levels=levels)


def makes_sense(shares: Sequence[tuple[float | None, float | None]]) -> bool:
    """Whether `(m, u)` of the steps, the most alike first, can be: none is missing, and duplicates are more alike."""
    (m_same, u_same), (m_differs, u_differs) = shares[0], shares[-1]
    if not all(m and u for m, u in shares) or m_same is None or m_differs is None:
        return False
    return m_same > max(u_same or 0, LEAST_SAME) and m_differs < min(u_differs or 0, MOST_DIFFERENT)


def odds_bits(probability: float) -> float:
    return math.log2(probability / (1 - probability))


def probability_of(bits: float) -> float:
    return 1 / (1 + 2 ** -max(-60.0, min(60.0, bits)))
