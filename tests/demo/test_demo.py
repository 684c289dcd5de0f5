"""The main job by real servers and workers, in a data folder of its own."""

import os
import re
import signal

import pytest

from tests.stacks import environment_of, run_manage, running_manage, wait_for, wait_for_process

pytestmark = pytest.mark.servers

CUSTOMERS = "150"


def table_of(output):
    """The rows of the table at the end: {name: value}."""
    rows = [line.strip("│ ").split("│") if "│" in line else line for line in output.splitlines()]
    return {cells[0].strip(): cells[1].strip() for cells in rows if isinstance(cells, list) and len(cells) == 2}


def sights_of(output):
    """How much is on the pages worth a look, by name."""
    lines = [re.fullmatch(r" +([\d,]+)  (.+?)  http\S+/admin/\S+", line) for line in output.splitlines()]
    return {found[2]: int(found[1].replace(",", "")) for found in lines if found}


def n_lines_of(*paths):
    return sum(
        len(path.read_text(encoding="gb18030" if "updates" in path.name else "utf-8").splitlines()) for path in paths
    )


def files_of(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_the_main_job_once_through_and_a_second_time_adds_nothing(tmp_path):
    env = environment_of(tmp_path)

    first = run_manage("demo", "--once", "--customers", CUSTOMERS, env=env, timeout=600)
    mails = files_of(tmp_path / "outbox" / "autumn-sounds")
    second = run_manage("demo", "--once", env=env, timeout=600)

    assert (first.returncode, first.stderr) == (0, ""), first.stdout + first.stderr
    figures = table_of(first.stdout)
    shop = tmp_path / "demo" / "shop"
    assert figures["合并精确率 Precision of the merges"] == figures["合并召回率 Recall of the merges"] == "1.0000"
    assert int(figures["合并 Merges"]) > 10
    assert figures["拒收 Rejected"] == str(
        n_lines_of(shop / "mishaps" / "wechat.ndjson", shop / "mishaps" / "till.ndjson")
    )
    sights = sights_of(first.stdout)
    assert {name: n for name, n in sights.items() if not n} == {}
    assert sights["导入 Imports"] == 2
    assert sights["拒收消息 Rejected messages"] == int(figures["拒收 Rejected"])
    sent = {name: int(value.split(" / ")[0]) for name, value in figures.items() if " / " in value}
    assert len(sent) == 4
    assert min(sent.values()) > 0
    assert sum(sent.values()) == len(mails)

    assert (second.returncode, second.stderr) == (0, ""), second.stdout + second.stderr
    timeless = {name: value for name, value in figures.items() if not re.fullmatch(r"[\d.]+", value)}
    assert table_of(second.stdout).items() >= timeless.items()
    assert sights_of(second.stdout) == sights
    assert files_of(tmp_path / "outbox" / "autumn-sounds") == mails


def test_killed_in_the_middle_the_next_start_goes_on_and_doubles_nothing(tmp_path):
    data_dir, output = tmp_path / "data", tmp_path / "output.txt"
    env = environment_of(data_dir)

    def told(words):
        wait_for(lambda: words in output.read_text() or process.poll() is not None, words)

    with running_manage("demo", "--once", "--customers", CUSTOMERS, env=env, output=output) as process:
        told("Import members")
        os.kill(wait_for_process(data_dir, "worker"), signal.SIGKILL)
        told("Collect and unify")
        os.kill(wait_for_process(data_dir, "postgres"), signal.SIGKILL)
        wait_for(lambda: process.poll() is not None, "the end of the first")
    with running_manage("demo", "--once", "--customers", CUSTOMERS, env=env, output=output) as process:
        told("Tag")
        process.kill()
        process.wait()
    done = run_manage("demo", "--once", env=env, timeout=600)

    assert "Traceback" not in output.read_text()
    assert done.returncode == 0, done.stdout + done.stderr
    figures = table_of(done.stdout)
    assert figures["合并精确率 Precision of the merges"] == figures["合并召回率 Recall of the merges"] == "1.0000"
    shop = data_dir / "demo" / "shop"
    files = [*shop.glob("slice-*/*.ndjson"), shop / "mishaps" / "web-shop.ndjson"]
    n_rows = n_lines_of(shop / "till-members.csv") - 1 + n_lines_of(shop / "till-updates.csv") - 1 - 3  # refused
    assert int(figures["消息 Messages in"].replace(",", "")) == n_lines_of(*files) + n_rows
    assert figures["拒收 Rejected"] == str(
        n_lines_of(shop / "mishaps" / "wechat.ndjson", shop / "mishaps" / "till.ndjson")
    )
    assert figures["事件 Events"] == figures["消息 Messages in"]
    sent = sum(int(value.split(" / ")[0]) for value in figures.values() if " / " in value)
    assert sent == len(list((data_dir / "outbox" / "autumn-sounds").iterdir()))
