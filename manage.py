#!/usr/bin/env python
"""Django's command line, with Strata's settings."""

import os
import sys
from contextlib import AbstractContextManager, nullcontext

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from cdp.servers.data_dir import data_dir
from cdp.servers.embedded import running_servers
from cdp.servers.errors import StackError

# These run the whole stack, so they bring the servers that the environment does not name.
STACK_COMMANDS = {"up", "demo"}


def servers_for(arguments: list[str]) -> AbstractContextManager[None]:
    """The servers that must run around this command; the settings read where they are, so they come first."""
    if not STACK_COMMANDS.intersection(arguments[1:2]) or {"-h", "--help"}.intersection(arguments):
        return nullcontext()
    return running_servers(data_dir())


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cdp.settings")
    try:
        with servers_for(sys.argv):
            execute_from_command_line(sys.argv)
    except (StackError, ImproperlyConfigured) as error:
        sys.exit(f"strata: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
