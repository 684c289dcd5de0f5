"""What is wrong with a rule, and where."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One error: `path` such as `all[1].where[0].is` (root is ""), and a message that names the way out."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path or 'rule'}: {self.message}"


class RuleError(ValueError):
    """A rule that cannot be used, with all its problems at once."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(str(problem) for problem in problems))
