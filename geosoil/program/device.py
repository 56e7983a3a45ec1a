"""The GPUs of this machine: exclusive use by one thread at a time, and batches that fit into their memory.

Many threads work on blocks. Only one at a time computes on a GPU, while the others read, mask and write. Code that
computes on a GPU asks for the device `"cuda"` and receives the name of a free GPU here.
"""

from __future__ import annotations

import os
import sys
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

_DRIVERS = ("/dev/nvidiactl", "/dev/nvmap", "/dev/dxg", "/dev/kfd")  # of GPUs on Linux
_queue_lock = Lock()
_free_gpus: SimpleQueue[str] | None = None


def gpu_names() -> list[str]:
    """Return torch's names of the GPUs that it can use; imports torch unless there is no driver of a GPU."""
    if sys.platform == "linux" and not any(map(os.path.exists, _DRIVERS)):
        return []
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []


def no_gpu_error() -> DeviceError:
    """Return the error for a machine without a GPU."""
    return DeviceError(
        "device",
        found="no GPU that torch can use",
        expected="one for the device cuda",
        way_out="use --device cpu or --device auto",
    )


@contextmanager
def acquire_device(device: str) -> Iterator[str]:
    """Hold a device while a block is computed.

    Parameters
    ----------
    device : {"cpu", "cuda"}
        "cuda" waits until no other thread of this process computes on one of the GPUs.

    Yields
    ------
    str
        torch's name of the device: "cpu" or, for instance, "cuda:0".

    Raises
    ------
    DeviceError
        If "cuda" is asked for on a machine without a GPU.

    Examples
    --------
    >>> with acquire_device("cpu") as name:
    ...     name
    'cpu'
    """
    if device == CPU:
        yield CPU
        return
    queue = _gpu_queue()
    name = queue.get()
    try:
        with _exact_products():
            yield name
    finally:
        queue.put(name)


def _gpu_queue() -> SimpleQueue[str]:
    global _free_gpus
    with _queue_lock:
        if _free_gpus is None:
            names = gpu_names()
            if not names:
                raise no_gpu_error()
            _free_gpus = SimpleQueue()
            for name in names:
                _free_gpus.put(name)
        return _free_gpus


@contextmanager
def _exact_products() -> Iterator[None]:
    """Make a GPU multiply in float32: TF32, which a library may have turned on, keeps 3 digits of 7."""
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
    """The amount of work that is computed at once on a GPU; it is halved whenever the GPU runs out of memory.

    Parameters
    ----------
    size : int
        The amount that is tried first.
    smallest : int
        The amount below which `size` is not reduced.
    unit : str
        What is counted, as a plural, for the error message.
    """

    size: int
    smallest: int
    unit: str

    def run_fitting(self, run: Callable[[int], T]) -> T:
        """Return `run(size)` for the first size that fits into the memory; later calls start from this size.

        Raises
        ------
        DeviceError
            If the smallest size does not fit either.

        Examples
        --------
        >>> BatchSize(65536, smallest=1024, unit="pixels").run_fitting(lambda size: size + 1)
        65537
        """
        import torch

        while True:
            tried = self.size
            try:
                return run(tried)
            except torch.OutOfMemoryError as error:
                reason = str(error).partition(". ")[0]
            # Outside the except block, because the error refers to the tensors that fill the memory.
            if tried <= self.smallest:
                raise DeviceError(
                    "GPU",
                    found=f"no memory for {tried} {self.unit} at once ({reason})",
                    expected="enough memory for the smallest batch",
                    way_out="close other programs that use the GPU, or use --device cpu",
                )
            self.size = min(self.size, max(tried // 2, self.smallest))
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
