"""What `manage.py up` tells a newcomer."""

from pathlib import Path

import pytest

from cdp.management.commands.up import manage


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("{base}/.data", ".venv/bin/python manage.py createsuperuser"),
        ("/srv/strata", "DATA_DIR=/srv/strata .venv/bin/python manage.py createsuperuser"),
        ("/srv/my shop", "DATA_DIR='/srv/my shop' .venv/bin/python manage.py createsuperuser"),
    ],
)
def test_commands_find_the_folder_of_the_stack(folder, expected, settings):
    settings.DATA_DIR = Path(folder.format(base=settings.BASE_DIR))

    assert manage("createsuperuser") == expected
