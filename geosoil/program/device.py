"""The GPUs of this machine: whose turn it is on them, and what is done where a batch has no room there.

Blocks come from many threads; one at a time computes on a GPU, while the others read, mask and write. What computes
there gets `"cuda"` for a device, and learns here which GPU is free.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from geosoil.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

CPU, CUDA = "cpu", "cuda"

_first = Lock()
_free: SimpleQueue[str] | None = None


def gpu_names() -> list[str]:
    """Return the GPUs that torch can use, as it names them; imports torch."""
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []


def no_gpu() -> DeviceError:
    """Return the error that says so."""
    return DeviceError(
        "device", found="no GPU that torch can use", expected="one, as cuda asks", way_out="take --device cpu or auto"
    )


@contextmanager
def a_turn(device: str) -> Iterator[str]:
    """Yield where to compute: "cpu" at once, for "cuda" a GPU, as soon as nobody else of this process computes on it.

    Raises DeviceError where there is none.

    >>> with a_turn("cpu") as place:
    ...     place
    'cpu'
    """
    if device == CPU:
        yield CPU
        return
    free = _free_gpus()
    place = free.get()
    try:
        with _exact_products():
            yield place
    finally:
        free.put(place)


def _free_gpus() -> SimpleQueue[str]:
    global _free
    with _first:
        if _free is None:
            names = gpu_names()
            if not names:
                raise no_gpu()
            _free = SimpleQueue()
            for name in names:
                _free.put(name)
        return _free


@contextmanager
def _exact_products() -> Iterator[None]:
    """Let a GPU multiply in float32: TF32, which a library may have turned on, keeps 3 digits of 7."""
    import torch

    before = torch.get_float32_matmul_precision()
    if before != "highest":
        torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        if before != "highest":
            torch.set_float32_matmul_precision(before)


@dataclass
class BatchSize:
    """How much is computed at once; halved, for good, where a GPU has no room for it.

    >>> BatchSize(65536, least=1024, unit="pixels").fit(lambda size: size + 1)
    65537
    """

    size: int
    least: int
    unit: str

    def fit(self, run: Callable[[int], T]) -> T:
        """Return `run(size)` with the first size that fits.

        Raises DeviceError where even the least does not.
        """
        import torch

        while True:
            tried = self.size
            try:
                return run(tried)
            except torch.OutOfMemoryError as error:
                said = str(error).partition(". ")[0]
            # Here, not above: the error holds on to what fills the memory.
            if tried <= self.least:
                raise DeviceError(
                    "GPU",
                    found=f"no memory for {tried} {self.unit} at once ({said})",
                    expected="room for that",
                    way_out="free the GPU of other programs, or take --device cpu",
                )
            self.size = min(self.size, max(tried // 2, self.least))
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
