"""Hypothesis strategies for people, events and rules, with nasty values among them.

Values come from small pools that people and rules share, so that rules match often and edges are hit exactly.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from hypothesis import strategies as st

from tests.oracles import Person

# A strategy takes longer to make than to draw from.
KEPT = lru_cache(maxsize=128)
TICK, DAY = timedelta(microseconds=1), timedelta(days=1)
# A common day, both Februaries, the last instant of a business year, a quarter's first second.
NOWS = [
    datetime(2026, 6, 15, 4, tzinfo=UTC),
    datetime(2027, 2, 28, 4, tzinfo=UTC),
    datetime(2028, 2, 28, 4, tzinfo=UTC),
    datetime(2028, 2, 29, 4, tzinfo=UTC),
    datetime(2026, 12, 31, 15, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 9, 30, 16, tzinfo=UTC),
]
# An hour before the clocks of New York are put forward, and before they are put back.
NOWS_OF_NEW_YORK = [datetime(2026, 3, 8, 6, tzinfo=UTC), datetime(2026, 11, 1, 5, tzinfo=UTC)]
# How far time jumps: onto the edges of spans and of business days, and a microsecond beside them.
STEPS = [
    timedelta(days=days, hours=hours) + beside * TICK
    for days, hours in [(0, 1), (0, 2), (0, 12), (1, 0), (2, 0), (7, 0), (30, 0), (365, 0)]
    for beside in (-1, 0, 1)
]
NASTY_KEYS = ["isnull", "7", "a.b", "名字", 'it\'s "%s" {0}', "a__b"]
ATTRIBUTES = {
    "city": "text",
    "n": "number",
    "vip": "boolean",
    "birthday": "date",
    "met_at": "datetime",
    "likes": "list",
    **dict.fromkeys(NASTY_KEYS, "text"),
}
SCORES = {"probe.level": "number", "probe.class": "text"}
TYPES = ATTRIBUTES | SCORES
EVENTS = ["Buy", "View", "isnull", "it's 100%"]
TAGS = {"plain": [], "solo": [], "card": ["gold", "blue"]}
SEGMENTS, GUESTS = ["loyal", "new"], "guests"  # by rule, and the one by hand
TIERS = {"house": ["in", "out"], "club": ["upper", "middle", "lowest"]}
KINDS = ["user_id", "email", "anonymous_id"]  # beside the one that everybody has
CHANNELS = ["email", "sms"]

TEXTS = ["", "Oslo", "oslo", "OSLO 7", "張三", "Ünï", "100%", "a_b", "a\\b", "it's", "isnull", "😀", "7", "1.0", "a\nb"]
NUMBERS = [0, 1, 1.0, 2, 2.5, -3, 0.1, 100, 12345678901234567890, 1e30]
PATTERNS = ["^Os", "o$", r"\d", "[a-z]+", "(os|張).", r"^\w{2,4}$", r"100\%", "[^a-z]", "a.b", "張|😀", r"[\d.]{3}"]
SCALARS = [*TEXTS[:6], *NUMBERS[:6], True, False]
WRONG = [None, True, 5, "text", [], ["Oslo"], {}, {"Oslo": 1}]

texts, numbers, scalars = st.sampled_from(TEXTS), st.sampled_from(NUMBERS), st.sampled_from(SCALARS)
booleans, patterns = st.booleans(), st.sampled_from(PATTERNS)
lists = st.lists(scalars, max_size=4)
some = lambda values: st.lists(values, min_size=1, max_size=3)  # noqa: E731
spans = st.sampled_from([1, 2, 7, 30, 365])
years = st.sampled_from([0, 1, 2, 18, 30])


@KEPT
def days(now: datetime) -> st.SearchStrategy[date]:
    """Days around edges: spans before and after today, 29 February, years ago."""
    today = (now + timedelta(hours=8)).date()
    near = [today + sign * offset * DAY for sign in (1, -1) for offset in (0, 1, 2, 6, 7, 29, 30, 364, 365)]
    fixed = [date(2000, 2, 29), date(2024, 2, 29), date(1996, 2, 28), date(1999, 3, 1), date(1990, 12, 31)]
    birthdays = [date(today.year - n, today.month, min(today.day, 28)) for n in (1, 2, 18, 30, 31)]
    return st.sampled_from(near + fixed + birthdays)


@KEPT
def moments(now: datetime) -> st.SearchStrategy[datetime]:
    """Instants at the edges of windows and of business days, and a microsecond beside them."""
    rolling = [now + sign * n * DAY for sign in (1, -1) for n in (0, 1, 2, 7, 30, 365)]
    rolling += [now - timedelta(hours=1), now - timedelta(hours=2)]
    edges = st.one_of(
        st.sampled_from(rolling),
        days(now).map(lambda day: datetime(day.year, day.month, day.day, 16, tzinfo=UTC) - DAY),
    )
    return st.builds(lambda edge, step: edge + step * TICK, edges, st.sampled_from([-1, 0, 1]))


def stored(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@KEPT
def values_of(type_: str, now: datetime) -> st.SearchStrategy[Any]:
    """Values as the golden record holds them."""
    return {
        "text": texts,
        "number": numbers,
        "boolean": booleans,
        "date": days(now).map(date.isoformat),
        "datetime": moments(now).map(stored),
        "list": lists,
    }[type_]


@KEPT
def nasty_values_of(type_: str, now: datetime) -> st.SearchStrategy[Any]:
    """The same, or null, or another JSON type."""
    good = values_of(type_, now)
    is_text = type_ in ("date", "datetime")  # text of another shape never gets past the door
    wrong = [value for value in WRONG if not (is_text and isinstance(value, str))]
    return st.one_of(good, good, st.sampled_from(wrong))


@KEPT
@st.composite
def events(draw: st.DrawFn, now: datetime) -> dict[str, Any]:
    products = st.fixed_dictionaries(
        {}, optional={"category": texts, "price": st.sampled_from([*NUMBERS[:7], "9", None])}
    )
    product = st.one_of(products, st.sampled_from([None, "x", 3]))
    properties = st.fixed_dictionaries(
        {},
        optional={
            "city": st.one_of(texts, st.sampled_from(WRONG)),
            "total": st.one_of(numbers, st.sampled_from(WRONG)),
            "gift": booleans,
            "isnull": texts,
            "labels": lists,
            "products": st.one_of(st.lists(product, max_size=3), products, st.just("none")),
        },
    )
    return {
        "name": draw(st.sampled_from(EVENTS)),
        "occurred_at": draw(moments(now)),
        "value": draw(st.sampled_from([None, 0.0, 0.1, 0.2, 10.0, -5.5])),
        "properties": draw(properties),
    }


def words(now: datetime) -> st.SearchStrategy[tuple[datetime, str]]:
    """What somebody may say of a channel, often at the same time as something else."""
    return st.tuples(st.sampled_from([now - DAY, now]), st.sampled_from(["granted", "denied"]))


def crowds(now: datetime, *, most: int = 4) -> st.SearchStrategy[list[Person]]:
    """One to `most` people."""
    return st.lists(people(now), min_size=1, max_size=most, unique_by=lambda person: person.public_id)


@st.composite
def people(draw: st.DrawFn, now: datetime) -> Person:
    seen = sorted([draw(moments(now)), draw(moments(now))])
    keys = draw(st.sets(st.sampled_from(sorted(ATTRIBUTES))))
    tags: dict[str, st.SearchStrategy[Any]] = {
        "plain": st.tuples(st.none(), st.one_of(st.none(), moments(now))),
        "solo": st.tuples(st.none(), st.one_of(st.none(), moments(now))),
        "card": st.tuples(st.sampled_from([None, "gold", "blue"]), st.one_of(st.none(), moments(now))),
    }
    score = st.fixed_dictionaries(
        {}, optional={"level": nasty_values_of("number", now), "class": nasty_values_of("text", now)}
    )
    return Person(
        attributes={key: draw(nasty_values_of(ATTRIBUTES[key], now)) for key in sorted(keys)},
        created_at=draw(moments(now)),
        first_seen_at=seen[0],
        last_seen_at=seen[1],
        public_id=draw(st.uuids()),
        events=draw(st.lists(events(now), max_size=6)),
        tags=draw(st.fixed_dictionaries({}, optional=tags)),
        segments=draw(st.dictionaries(st.sampled_from([*SEGMENTS, GUESTS]), moments(now))),
        scores=draw(st.fixed_dictionaries({}, optional={"probe": score})),
        tiers=draw(st.fixed_dictionaries({}, optional={key: st.sampled_from(TIERS[key]) for key in TIERS})),
        identifiers=draw(st.sets(st.sampled_from(KINDS))),
        consents=draw(st.dictionaries(st.sampled_from(CHANNELS), st.lists(words(now), min_size=1, max_size=3))),
    )


def asked(*words: str, value: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"is": st.sampled_from(words), "value": value})


def pairs(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.tuples(values, values).map(sorted)


PRESENCE = st.fixed_dictionaries({"is": st.sampled_from(["set", "unset"])})


@KEPT
def comparisons(type_: str, now: datetime) -> st.SearchStrategy[dict[str, Any]]:
    """`is` and `value` of every word that fits the type."""
    iso_days = days(now).map(date.isoformat)
    numeric = st.one_of(
        asked("eq", "ne", "lt", "lte", "gt", "gte", value=numbers),
        asked("between", value=pairs(numbers)),
        asked("in", "not_in", value=some(numbers)),
    )
    textual = st.one_of(
        asked("eq", "ne", "contains", "not_contains", "starts_with", "ends_with", value=texts),
        asked("in", "not_in", value=some(texts)),
        asked("matches", value=patterns),
    )
    by_day = st.one_of(
        asked("on", "before", "after", value=iso_days),
        asked("between", value=pairs(iso_days)),
        asked(
            "in_last", "not_in_last", "in_next", "anniversary_in_next", value=st.builds(lambda n: {"days": n}, spans)
        ),
        asked("years_between", value=pairs(years)),
    )
    words = {
        "text": textual,
        "number": numeric,
        "boolean": asked("eq", value=booleans),
        "date": by_day,
        "datetime": st.one_of(
            by_day, asked("in_last", "not_in_last", "in_next", value=st.builds(lambda n: {"hours": n}, spans))
        ),
        "list": st.one_of(asked("has", value=scalars), asked("has_any", "has_all", "has_none", value=some(scalars))),
    }
    return st.one_of(words[type_], words[type_], PRESENCE)


def keyed(op: dict[str, Any], type_: str, now: datetime) -> st.SearchStrategy[dict[str, Any]]:
    return comparisons(type_, now).map(lambda comparison: {**op, **comparison})


@KEPT
def attribute_rules(now: datetime) -> st.SearchStrategy[dict[str, Any]]:
    times = dict.fromkeys(["created_at", "first_seen_at", "last_seen_at"], "datetime")
    types = {**ATTRIBUTES, **times, "is_known": "boolean"}
    return st.sampled_from(sorted(types)).flatmap(lambda key: keyed({"op": "attribute", "key": key}, types[key], now))


def score_rules(now: datetime) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(sorted(SCORES)).flatmap(
        lambda name: keyed({"op": "score", "model": "probe", "field": name.split(".")[1]}, SCORES[name], now)
    )


def tag_rules() -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.fixed_dictionaries({"op": st.just("tag"), "key": st.sampled_from(sorted(TAGS))}),
        some(st.sampled_from(TAGS["card"])).map(lambda values: {"op": "tag", "key": "card", "value": values}),
    )


def segment_rules() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"op": st.just("segment"), "key": st.sampled_from([*SEGMENTS, GUESTS])}, optional={"for_days": spans}
    )


def tier_rules() -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(sorted(TIERS)).flatmap(
        lambda key: st.builds(
            lambda tiers: {"op": "tier", "scheme": key, "in": tiers}, some(st.sampled_from(TIERS[key]))
        )
    )


def identifier_rules() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda kind: {"op": "identifier", "kind": kind}, st.sampled_from([*KINDS, "phone"]))


def consent_rules() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda channel, state: {"op": "consent", "channel": channel, "is": state},
        st.sampled_from(CHANNELS),
        st.sampled_from(["granted", "denied", "unknown"]),
    )


def bucket_rules() -> st.SearchStrategy[dict[str, Any]]:
    shares = st.sampled_from([[0, 50], [50, 100], [0, 100], [12.5, 33.3], [0.1, 99.9]])
    return st.builds(
        lambda salt, share: {"op": "bucket", "salt": salt, "from": share[0], "to": share[1]},
        st.sampled_from([text for text in TEXTS if text]),
        shares,
    )


@KEPT
def moving_windows() -> st.SearchStrategy[dict[str, Any]]:
    periods = ["day", "week", "month", "quarter", "year"]
    words = ["today", "yesterday", *(f"{which}_{period}" for which in ("this", "last") for period in periods[1:])]
    return st.one_of(
        st.builds(lambda n: {"last_days": n}, spans),
        st.builds(lambda n: {"last_hours": n}, spans),
        st.builds(lambda a, b: {"days_ago": [a + b, a]}, st.sampled_from([0, 1, 7]), spans),
        st.builds(lambda word: {"calendar": word}, st.sampled_from(words)),
    )


@KEPT
def windows(now: datetime) -> st.SearchStrategy[dict[str, Any]]:
    iso_days = days(now).map(date.isoformat)
    return st.one_of(
        moving_windows(),
        moving_windows(),
        st.builds(lambda day: {"since": day}, iso_days),
        st.builds(lambda day: {"until": day}, iso_days),
        pairs(iso_days).map(lambda pair: {"since": pair[0], "until": pair[1]}),
    )


@KEPT
def property_conditions(now: datetime) -> st.SearchStrategy[dict[str, Any]]:
    typed = {
        "city": "text",
        "total": "number",
        "gift": "boolean",
        "isnull": "text",
        "labels": "list",
        "products.category": "text",
        "products.price": "number",
        "$value": "number",
        "$hour": "number",
        "$weekday": "number",
    }
    return st.sampled_from(sorted(typed)).flatmap(lambda key: keyed({"key": key}, typed[key], now))


NAMES = st.sampled_from([*EVENTS, "Never"])
EVENT_NAMES = st.one_of(NAMES, some(NAMES))


def where(now: datetime) -> dict[str, st.SearchStrategy[Any]]:
    """The optional conditions on the properties of an event."""
    return {"where": st.lists(property_conditions(now), max_size=3)}


@KEPT
def event_recency_rules(now: datetime) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "op": st.just("event_recency"),
            "name": EVENT_NAMES,
            "which": st.sampled_from(["first", "last"]),
            "is": st.sampled_from(["within", "before"]),
            "days": spans,
        },
        optional=where(now),
    )


@KEPT
def sequence_rules(now: datetime) -> st.SearchStrategy[dict[str, Any]]:
    """Two or three steps, that people with six events at few moments often meet."""
    step = st.fixed_dictionaries({"name": EVENT_NAMES}, optional=where(now))
    plain = st.fixed_dictionaries({"name": EVENT_NAMES})
    steps = st.lists(st.one_of(plain, plain, step), min_size=2, max_size=3)
    gaps = st.one_of(
        st.builds(lambda n: {"days": n}, spans), st.builds(lambda n: {"hours": n}, st.sampled_from([1, 2, 48]))
    )
    shape = {"op": st.just("sequence"), "steps": steps}
    return st.one_of(
        st.fixed_dictionaries(shape, optional={"gap": gaps, "within": windows(now)}),
        st.fixed_dictionaries(
            {**shape, "gap": gaps, "then_not": st.one_of(plain, step)}, optional={"within": windows(now)}
        ),
    )


@KEPT
def event_rules(now: datetime) -> st.SearchStrategy[dict[str, Any]]:
    properties = ["total", "city", "products.price", "products.category", "$value", "$weekday", "labels"]
    measures = st.one_of(
        st.sampled_from(["count", "days"]),
        st.builds(
            lambda kind, key: {kind: key},
            st.sampled_from(["sum", "avg", "min", "max", "distinct"]),
            st.sampled_from(properties),
        ),
    )
    optional: dict[str, Any] = {**where(now), "within": windows(now), "measure": measures}
    shape = st.fixed_dictionaries({"op": st.just("event"), "name": EVENT_NAMES}, optional=optional)
    return st.one_of(shape, st.builds(lambda rule, asked: {**rule, **asked}, shape, comparisons("number", now)))


@KEPT
def timed_rules(now: datetime) -> st.SearchStrategy[dict[str, Any]]:
    """Conditions that say something else once time has passed, and hardly anything beside."""
    spans_of_days = st.builds(lambda n: {"days": n}, spans)
    moving = st.one_of(
        asked("in_last", "not_in_last", "in_next", "anniversary_in_next", value=spans_of_days),
        asked("years_between", value=pairs(years)),
    )
    times = st.sampled_from(["birthday", "met_at", "created_at", "first_seen_at", "last_seen_at"])
    did = st.builds(
        lambda names, within: {"op": "event", "name": names, "within": within}, EVENT_NAMES, moving_windows()
    )
    return st.one_of(
        st.builds(lambda key, said: {"op": "attribute", "key": key, **said}, times, moving),
        did,
        st.builds(lambda rule, n: {**rule, "is": "eq", "value": n}, did, st.sampled_from([1, 2])),
        tag_rules(),
        segment_rules(),
    )


def rules_about_names() -> tuple[st.SearchStrategy[dict[str, Any]], ...]:
    """One of each operator that looks neither at traits nor at events."""
    return tag_rules(), segment_rules(), tier_rules(), identifier_rules(), consent_rules(), bucket_rules()


@KEPT
def common_traits() -> st.SearchStrategy[dict[str, Any]]:
    """What `common_rules` speak of."""
    return st.fixed_dictionaries(
        {}, optional={"city": st.sampled_from(["Oslo", "oslo", None]), "n": st.sampled_from([0, 1, 2])}
    )


@KEPT
def common_rules() -> st.SearchStrategy[dict[str, Any]]:
    """Short ones, which hold for some people and not for others, and often no more after what happens next."""
    attribute, event = {"op": "attribute"}, {"op": "event", "name": "Buy"}
    lives = asked("eq", "ne", value=st.sampled_from(["Oslo", "oslo"]))
    has = asked("eq", "ne", "lt", "gte", value=st.sampled_from([1, 2]))
    window = st.one_of(st.builds(lambda n: {"within": {"last_days": n}}, st.sampled_from([1, 7])), st.just({}))
    leaves = st.one_of(
        lives.map(lambda said: {**attribute, "key": "city", **said}),
        has.map(lambda said: {**attribute, "key": "n", **said}),
        st.builds(lambda said, within: {**event, **within, **said}, has, window),
        st.builds(lambda key, said: {**attribute, "key": key, **said}, st.sampled_from(["city", "n"]), PRESENCE),
        st.builds(lambda level: {"op": "score", "model": "probe", "field": "level", **level}, has),
        *rules_about_names(),
    )
    return st.one_of(
        leaves,
        leaves.map(lambda leaf: {"not": leaf}),
        st.lists(leaves, min_size=2, max_size=2).map(lambda pair: {"all": pair}),
    )


@KEPT
def rules(now: datetime) -> st.SearchStrategy[dict[str, Any]]:
    """Rules of every operator and group, up to four levels deep."""
    leaves = st.one_of(
        attribute_rules(now),
        event_rules(now),
        event_recency_rules(now),
        sequence_rules(now),
        score_rules(now),
        *rules_about_names(),
    )
    return st.recursive(
        leaves,
        lambda nodes: st.one_of(
            some(nodes).map(lambda found: {"all": found}),
            some(nodes).map(lambda found: {"any": found}),
            nodes.map(lambda found: {"not": found}),
        ),
        max_leaves=4,
    )
