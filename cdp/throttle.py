"""How often something may happen, over all processes: one atomic command to the cache's server each.

Nothing depends on that server. While it does not answer nothing is limited, and nobody is woken but by beat.
"""

from __future__ import annotations

import logging
import math
import time
from functools import lru_cache

from django.conf import settings
from django.core.cache import cache
from redis import Redis, RedisError

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 0.25  # how long a request waits for an answer
AWAY_SECONDS = 5  # for how long a server that did not answer is left alone
BURST_SECONDS = 10  # how much of its rate somebody may use ahead of time

# The generic cell rate algorithm. The key holds when all that was let in would have been paid for at the rate; it is
# let in while that is less than the burst ahead, whatever its size: else a large batch would never be. The server's
# clock counts, in microseconds.
ADMIT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local paid_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local wait = paid_at - now - ARGV[2]
if wait > 0 then return wait end
paid_at = paid_at + ARGV[1]
redis.call('SET', KEYS[1], string.format('%.0f', paid_at), 'PX', math.ceil((paid_at - now) / 1000) + 1)
return 0
"""

_away_until = 0.0


@lru_cache(maxsize=1)
def server() -> Redis:
    """The cache's server, asked with little patience."""
    location = str(settings.CACHES["default"]["LOCATION"])
    return Redis.from_url(location, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS)


def seconds_to_wait(name: str, *, n: int, per_second: int) -> int:
    """0 where `n` more are let in at `per_second` on average, and counted; else after how many seconds to try again."""
    cost = n * 1_000_000 // per_second
    answer = _ask("EVAL", ADMIT, 1, cache.make_key(name), cost, BURST_SECONDS * 1_000_000)
    return math.ceil(answer / 1_000_000) if isinstance(answer, int) else 0


def is_first_within(name: str, seconds: float) -> bool:
    """Whether nobody asked for this in the last `seconds`; False too where the server does not say."""
    return _ask("SET", cache.make_key(name), "1", "NX", "PX", int(seconds * 1000)) is not None


def forget(name: str) -> None:
    """Whoever asks for this next is the first again."""
    _ask("DEL", cache.make_key(name))


def was_seen_within(name: str, seconds: float) -> bool:
    """Whether somebody asked for this in the last `seconds`; False too where the server does not say."""
    return _ask("SET", cache.make_key(name), "1", "NX", "GET", "PX", int(seconds * 1000)) is not None


def _ask(*command: str | int) -> object:
    """The answer to one command; None where there is none, which is said in the log."""
    global _away_until
    if time.monotonic() < _away_until:
        return None
    try:
        answer: object = server().execute_command(*command)  # type: ignore[no-untyped-call]
        return answer
    except RedisError as error:
        _away_until = time.monotonic() + AWAY_SECONDS
        logger.warning("The cache is away; for %s s nothing is limited, and only beat wakes: %s", AWAY_SECONDS, error)
        return None
