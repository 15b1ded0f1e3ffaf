"""One thread a matrix product, for as long as anybody wants it.

The number of threads of a BLAS library is a property of the process. If two callers set it to one and back at the same
time, the later puts back what the earlier had set. So callers are counted here, and the last one to leave puts back
what the first one found.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from threadpoolctl import ThreadpoolController


class SingleThread:
    """The wish for one thread, counted; one object for the process, as the libraries are."""

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
    # Since threadpoolctl 3.8 one Python thread at a time sets the number, and the calls of others do nothing.
    release = getattr(library, "clear_controlling_thread", lambda **_: None)
    release(force=True)
    library.set_num_threads(threads)
    release()


single_thread = SingleThread()
