"""What goes wrong before Strata runs."""


class StackError(Exception):
    """Strata cannot start here. The message is one line: what is wrong, and the way out."""
