"""Imports and saved mappings, one row a call."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import factory
from django.core.files.base import ContentFile
from factory.django import DjangoModelFactory

from profiles.models import Import, ImportMapping
from tests.factories.profiles import SourceFactory

MADE_AT = datetime(2026, 6, 1, tzinfo=UTC)
MAPPING = {"identifiers": {"Phone": "phone"}, "traits": {"Name": "name"}}
FILE = "Name,Phone\nAnn,13800138000\n"


class ImportFactory(DjangoModelFactory):
    """An import of a CSV file that nobody started; `text` is what stands in the file."""

    class Meta:
        model = Import
        exclude = ["text"]

    text = FILE
    name = "members.csv"
    file = factory.LazyAttribute(lambda made: ContentFile(made.text.encode(made.encoding), name=made.name))
    size = factory.LazyAttribute(lambda made: len(made.text.encode(made.encoding)))
    sha256 = factory.LazyAttribute(lambda made: hashlib.sha256(made.text.encode(made.encoding)).hexdigest())
    source = factory.SubFactory(SourceFactory)
    mapping = factory.LazyFunction(lambda: dict(MAPPING))
    format = Import.Format.CSV
    encoding = Import.Encoding.UTF_8
    created_at = MADE_AT


class ImportMappingFactory(DjangoModelFactory):
    """A saved mapping that watches no folder."""

    class Meta:
        model = ImportMapping

    key = factory.Sequence(lambda n: f"mapping-{n}")
    name = factory.LazyAttribute(lambda made: made.key.title())
    source = factory.SubFactory(SourceFactory)
    mapping: Any = factory.LazyFunction(lambda: dict(MAPPING))
