"""The shop's files: real purchases through three channels, by made-up people, and the truth of who is whom."""

from __future__ import annotations

import csv
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from demo.lives import Life, live, moment, pass_by, visit_on
from demo.mishaps import UPDATE_COLUMNS, make_mishaps, make_updates
from demo.purchases import N_CUSTOMERS, Purchase, first_day, read_purchases, slice_ends
from demo.sayings import MEMBER_COLUMNS, TILL, WEB, WECHAT, MemberRow, Saying
from demo.truth import true_clusters, write_truth

SEED = 20_050_501
FAMILY_EVERY = 25  # of so many customers, one shares a device with the next
VISITORS_PER_CUSTOMER = 0.15

PLAN_FILE = "plan.json"
MEMBERS_FILE = "till-members.csv"
UPDATES_FILE = "till-updates.csv"
MISHAPS_FOLDER = "mishaps"
TRUTH_FILE = "truth.csv"


@dataclass(frozen=True)
class Plan:
    """All that decides the demo data, fixed by the first load of a data folder."""

    last_day: str
    zone: str
    n_customers: int = N_CUSTOMERS
    seed: int = SEED


@dataclass(frozen=True)
class Shop:
    """What the channels say, in order of time, the till's file of members, and what goes wrong."""

    sayings: list[Saying]
    members: list[MemberRow]
    mishaps: list[Saying]
    updates: list[dict[str, str]]


def generate(plan: Plan) -> Shop:
    """The same shop for the same plan."""
    zone = ZoneInfo(plan.zone)
    last_day = date.fromisoformat(plan.last_day)
    lives = _lives(read_purchases(last_day=last_day, n_customers=plan.n_customers), plan, last_day, zone)
    _share_devices(lives, last_day)
    sayings = [saying for life in lives.values() for saying in life.sayings]
    days = [first_day(last_day) + timedelta(days=n) for n in range((last_day - first_day(last_day)).days + 1)]
    for number in range(round(plan.n_customers * VISITORS_PER_CUSTOMER)):
        sayings += pass_by(number, days=days, zone=zone, seed=plan.seed)
    sayings.sort(key=lambda saying: (saying.at, saying.message["messageId"]))
    members = sorted((life.member for life in lives.values() if life.member), key=lambda row: (row.at, row.person))
    return Shop(
        sayings=sayings,
        members=members,
        mishaps=make_mishaps(sayings),
        updates=list(make_updates(members, last_day=last_day, zone=zone)),
    )


def _lives(purchases: list[Purchase], plan: Plan, last_day: date, zone: tzinfo) -> dict[int, Life]:
    by_customer: dict[int, list[Purchase]] = defaultdict(list)
    for purchase in purchases:
        by_customer[purchase.customer].append(purchase)
    return {
        number: live(number, bought, last_day=last_day, zone=zone, seed=plan.seed)
        for number, bought in by_customer.items()
    }


def _share_devices(lives: dict[int, Life], last_day: date) -> None:
    """Some log in on the device of the customer before them, in a later slice than its owner.

    Later by a slice, because slices are handed over one after the other: within one, batches may overtake each other,
    and the device would go to whoever came first.
    """
    ends = slice_ends(last_day)
    for number in range(FAMILY_EVERY, len(lives) + 1, FAMILY_EVERY):
        owner, guest = lives.get(number - 1), lives.get(number)
        if owner is None or guest is None or WEB not in owner.channels or WEB not in guest.channels:
            continue
        device = owner.device(0)
        known_from = max(owner.logins[device], min(guest.logins.values())).date()
        free = [end for end in ends[1:] if end - (ends[1] - ends[0]) >= known_from]
        if free:
            visit_on(guest, device, moment(guest.chance.choice(free), guest) - timedelta(days=1))


def write_files(folder: Path, plan: Plan) -> None:
    """Make the folder with all files of the plan, or nothing: it is put together beside, and moved whole.

    `plan.json`, `till-members.csv`, `truth.csv`, and `slice-1/web-shop.ndjson` and so on: one message a line. What goes
    wrong is in `mishaps/` and `till-updates.csv`, the latter as old tills write: in GB18030.
    """
    shop, zone = generate(plan), ZoneInfo(plan.zone)
    making = folder.with_name(f"{folder.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    start = min(saying.at for saying in shop.sayings)  # some looked around before they first bought
    for number, end in enumerate(slice_ends(date.fromisoformat(plan.last_day)), start=1):
        until = datetime.combine(end + timedelta(days=1), time(), zone)
        _write_slice(making / f"slice-{number}", [s for s in shop.sayings if start <= s.at < until])
        start = until
    _write_slice(making / MISHAPS_FOLDER, shop.mishaps)
    _write_csv(making / MEMBERS_FILE, MEMBER_COLUMNS, [row.cells for row in shop.members], encoding="utf-8")
    _write_csv(making / UPDATES_FILE, UPDATE_COLUMNS, shop.updates, encoding="gb18030")
    write_truth(making / TRUTH_FILE, true_clusters([*shop.sayings, *shop.members]))
    (making / PLAN_FILE).write_text(json.dumps(asdict(plan), indent=2) + "\n", encoding="utf-8")
    making.rename(folder)


def _write_slice(folder: Path, sayings: list[Saying]) -> None:
    folder.mkdir()
    for source in (WEB, TILL, WECHAT):
        lines = [json.dumps(saying.message, ensure_ascii=False) for saying in sayings if saying.source == source]
        (folder / f"{source}.ndjson").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[dict[str, str]], *, encoding: str) -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def read_plan(folder: Path) -> Plan:
    """Raises FileNotFoundError before the first load."""
    return Plan(**json.loads((folder / PLAN_FILE).read_text(encoding="utf-8")))
