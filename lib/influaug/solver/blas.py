"""Limit matrix products to one thread while at least one caller asks for it.

The number of threads of a BLAS library belongs to the process. If two callers set it to one and back at the same time,
the later one restores the value that the earlier one had set. So this module counts the callers, and the last one to
leave restores the number that the first one found.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from threadpoolctl import ThreadpoolController


class SingleThread:
    """Counter of the callers that need one thread; a single object serves the process, like the libraries."""

    def __init__(self) -> None:
        self._lock, self._wishes, self._found = Lock(), 0, {}

    @contextmanager
    def during(self, controller: ThreadpoolController) -> Iterator[None]:
        """Keep the BLAS libraries that a controller knows at one thread during a block; blocks may overlap."""
        self._begin(controller)
        try:
            yield
        finally:
            self._end()

    def _begin(self, controller):
        with self._lock:
            self._wishes += 1
            for library in controller.lib_controllers:
                if library.user_api == "blas":
                    self._found.setdefault(library.filepath, (library, library.num_threads))
                    _set(library, 1)

    def _end(self):
        with self._lock:
            self._wishes -= 1
            if not self._wishes:
                for library, threads in self._found.values():
                    _set(library, threads)
                self._found.clear()


def _set(library, threads):
    # Since threadpoolctl 3.8 only one Python thread at a time may set the number; calls from others have no effect.
    release = getattr(library, "clear_controlling_thread", lambda **_: None)
    release(force=True)
    library.set_num_threads(threads)
    release()


single_thread = SingleThread()
