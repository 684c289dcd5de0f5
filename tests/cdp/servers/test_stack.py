"""The stack as a person starts, kills and stops it."""

import os
import signal
import stat
import sys

import pytest

from cdp.servers.stack import is_healthy
from tests.stacks import (
    PROCESSES,
    environment_of,
    processes_of,
    run_beside_servers,
    run_manage,
    running_manage,
    wait_for,
    wait_for_all,
)

pytestmark = pytest.mark.servers


def test_stack_recovers_from_kill_9_and_stops_cleanly(tmp_path):
    data_dir, output = tmp_path / "data", tmp_path / "output.txt"
    env = environment_of(data_dir)
    port = int(env["PORT"])

    with running_manage("up", env=env, output=output) as process:
        wait_for(lambda: is_healthy(port), "the first start")
        before = wait_for_all(data_dir)

        second = run_manage("up", env=environment_of(data_dir))

        assert second.returncode == 1
        assert second.stderr == (
            f"strata: Strata already runs on {data_dir} (process {process.pid}): stop it with Ctrl-C, "
            "or start another beside it with PORT=8001 DATA_DIR=/some/where/else.\n"
        )

        elsewhere = run_manage("up", env=environment_of(tmp_path / "other", PORT=str(port)))

        assert elsewhere.returncode == 1
        assert elsewhere.stderr == (
            f"strata: Port {port} is taken: stop what listens there, or choose another, such as PORT={port + 1}.\n"
        )

        for name in PROCESSES:
            os.kill(before[name][0], signal.SIGKILL)
        wait_for(lambda: not is_healthy(port), "the fall")
        wait_for(lambda: is_healthy(port), "the rise")

        after = wait_for_all(data_dir)
        assert all(before[name][0] != after[name][0] for name in before)
        assert "strata: worker ended (SIGKILL); it starts again in 1 s. Its log: " in output.read_text()

    assert process.returncode == 0
    wait_for(lambda: not any(processes_of(data_dir).values()), "the end of every process")
    assert "Traceback" not in output.read_text()


def test_next_start_goes_on_after_the_stack_itself_was_killed(tmp_path):
    data_dir, output = tmp_path / "data", tmp_path / "output.txt"
    env = environment_of(data_dir)
    port = int(env["PORT"])
    kept = None

    for _start in range(2):
        with running_manage("up", env=env, output=output) as process:
            wait_for(lambda: is_healthy(port), "a start")
            kept = kept or (data_dir / "stack.env").read_text()
            process.kill()
            process.wait()
        wait_for(lambda: not any(processes_of(data_dir).values()), "the end of what was left")

    assert (data_dir / "stack.env").read_text() == kept
    assert stat.S_IMODE((data_dir / "stack.env").stat().st_mode) == 0o600


def test_next_start_waits_for_the_site_that_outlived_its_stack(tmp_path):
    env = environment_of(tmp_path / "data")
    port = int(env["PORT"])
    with running_manage("up", env=env, output=tmp_path / "first.txt") as process:
        wait_for(lambda: is_healthy(port), "the first start")
        for pid in wait_for_all(tmp_path / "data")["granian"][1:]:
            os.kill(pid, signal.SIGSTOP)  # as one that is in the middle of something
        process.kill()
        process.wait()

    second = tmp_path / "second.txt"
    with running_manage("up", env=env, output=second) as again:
        wait_for(lambda: second.read_text() != "" or again.poll() is not None, "the second start")
        assert second.read_text().startswith(f"Strata serves on http://127.0.0.1:{port}/ until Ctrl-C.")
        assert again.poll() is None


def test_pid_file_of_another_process_is_no_hindrance(tmp_path):
    env = environment_of(tmp_path)
    assert run_beside_servers("true", env=env).returncode == 0
    (tmp_path / "postgres" / "postmaster.pid").write_text(
        f"{os.getpid()}\n{tmp_path / 'postgres'}\n1\n1\n\n127.0.0.1\n"
    )

    again = run_beside_servers("true", env=env)

    assert again.stderr == ""
    assert again.returncode == 0


def test_command_beside_servers_gives_its_exit_code_and_finds_them(tmp_path):
    command = "import os, sys; sys.exit(7 if os.environ['DATABASE_URL'].startswith('postgres://strata:') else 1)"

    done = run_beside_servers("python3", "-c", command, env=environment_of(tmp_path))

    assert done.returncode == 7


def test_log_of_the_database_holds_no_values(tmp_path):
    ask = """
import os, psycopg
with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
    connection.execute("CREATE TABLE people (email text PRIMARY KEY)")
    connection.execute("INSERT INTO people VALUES ('ann@example.com'), ('ann@example.com')")
"""
    done = run_beside_servers(sys.executable, "-c", ask, env=environment_of(tmp_path))

    log = (tmp_path / "logs" / "postgres.log").read_text()
    assert "ann@example.com" in done.stderr
    assert "duplicate key value violates unique constraint" in log
    assert "ann@example.com" not in log


def test_missing_variable_is_one_clear_line(tmp_path):
    done = run_manage("check", env=environment_of(tmp_path))

    assert done.returncode == 1
    assert done.stderr == (
        f"strata: SECRET_KEY is not set, and {tmp_path} holds no stack: `make up` makes one (README.md).\n"
    )
