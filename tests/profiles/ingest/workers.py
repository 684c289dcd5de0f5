"""Workers in threads, which empty the inbox beside what a test does."""

import threading
from contextlib import contextmanager

from django.db import connection

from profiles.ingest.process import process_batch


@contextmanager
def emptying_inbox(*, now, batch, n_workers=1, timeout=300):
    """Each on a connection of its own; yields the threads. At the end all have come through without an error."""
    errors = []

    def work():
        try:
            while process_batch(now=now, limit=batch).n_messages:
                pass
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(n_workers)]
    for worker in workers:
        worker.start()
    yield workers
    for worker in workers:
        worker.join(timeout=timeout)
    assert errors == []
    assert not any(worker.is_alive() for worker in workers)
