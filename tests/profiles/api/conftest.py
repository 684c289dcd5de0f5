"""What the API tests share."""

import pytest

from tests.factories.profiles import SourceFactory


@pytest.fixture
def shop():
    return SourceFactory(key="shop", write_key="WK")
