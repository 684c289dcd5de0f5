"""What is wrong with a rule, and where."""

from __future__ import annotations

from dataclasses import dataclass

MAX_QUOTED = 100  # characters
MAX_PROBLEMS = 1_000  # of one rule that are told; whoever has more has sent something else than a rule


def quoted(value: object) -> str:
    """A wrong value inside a message, cut where it is long."""
    shown = repr(value)
    return shown if len(shown) <= MAX_QUOTED else f"{shown[:MAX_QUOTED]}…"


@dataclass(frozen=True)
class Problem:
    """One error: `path` such as `all[1].where[0].is` (root is ""), and a message that names the way out.

    `field` is where the rule itself stands, such as `values[0].rule`, where something holds many: paths begin with it.
    """

    path: str
    message: str
    field: str = ""

    def __str__(self) -> str:
        return f"{self.path or 'rule'}: {self.message}"


class RuleError(ValueError):
    """A rule that cannot be used, with all its problems at once."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(str(problem) for problem in problems))


@dataclass(frozen=True)
class Place:
    """Where in the rule something was read. All places of one rule share the list of problems."""

    path: str
    problems: list[Problem]

    def key(self, name: str) -> Place:
        return Place(f"{self.path}.{name}" if self.path else name, self.problems)

    def item(self, index: int) -> Place:
        return Place(f"{self.path}[{index}]", self.problems)

    def report(self, message: str) -> Wrong:
        """Note a problem here; returns the mark that stands for the value that could not be read."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(self.path, message))
        return WRONG


class Wrong:
    """Stands for a value that could not be read. Its problem is noted already, so readers pass it on in silence."""


WRONG = Wrong()
