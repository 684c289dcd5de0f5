"""What `is` may say, a table for each type. A new word is one new line in the table of its type."""

from cdp.rules.types import ValueType
from cdp.rules.words.base import ANY_VALUE, Word
from cdp.rules.words.boolean import BOOLEAN
from cdp.rules.words.list import LIST
from cdp.rules.words.moment import DATE, DATETIME
from cdp.rules.words.number import NUMBER
from cdp.rules.words.text import TEXT

WORDS: dict[ValueType | None, dict[str, Word]] = {
    ValueType.TEXT: TEXT,
    ValueType.NUMBER: NUMBER,
    ValueType.BOOLEAN: BOOLEAN,
    ValueType.DATE: DATE,
    ValueType.DATETIME: DATETIME,
    ValueType.LIST: LIST,
    None: ANY_VALUE,
}

__all__ = ["WORDS", "Word"]
