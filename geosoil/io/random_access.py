"""A binary file that is read at any position: the base of files inside archives and on servers."""

from __future__ import annotations

import io
from typing import BinaryIO


class RandomAccessFile(io.RawIOBase):
    """A file that can only be read; a subclass has `readinto`, which reads from `_position`.

    Parameters
    ----------
    file : BinaryIO
        The open file from which the content comes, closed together with this one.
    size : int
        Number of bytes of the content.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__()
        self._file, self._size, self._position = file, size, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position from the start, the position or the end of the content; nothing is read."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(start + offset, 0)
        return self._position

    def tell(self) -> int:
        """Return the position in the content."""
        return self._position

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()
