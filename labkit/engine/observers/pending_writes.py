"""Changes that a library makes to a file, kept in memory until they are written all together."""

from __future__ import annotations

import io
import os
from typing import BinaryIO


class PendingWrites(io.RawIOBase):
    """A file as another library sees it: its content from the disk, with changes that stay in memory.

    A library such as HDF5, which keeps part of a file in memory, cannot go on where writing fails: it ends the
    process when it tries once more. Here it never fails; what it wrote is then written by `Growing.append`.
    """

    def __init__(self, source: BinaryIO) -> None:
        super().__init__()
        self._source = source
        self.start = self.end = source.seek(0, os.SEEK_END)
        self._at, self._pieces = 0, []  # (offset, bytes) in the order in which they were written

    def appended(self) -> bytes:
        """What lies beyond the end of the file on the disk."""
        return self._bytes(self.start, max(self.end - self.start, 0))

    def patches(self) -> tuple[tuple[int, bytes], ...]:
        """(offset, bytes) of what changes before the end of the file on the disk."""
        return tuple((at, data[: self.start - at]) for at, data in self._pieces if at < self.start)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.end}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def truncate(self, size: int | None = None) -> int:
        self.end = self._at if size is None else size
        return self.end

    def write(self, data: bytes) -> int:
        data = bytes(data)
        self._pieces.append((self._at, data))
        self._at += len(data)
        self.end = max(self.end, self._at)
        return len(data)

    def readinto(self, buffer: memoryview) -> int:
        size = max(min(len(buffer), self.end - self._at), 0)
        buffer[:size] = self._bytes(self._at, size)
        self._at += size
        return size

    def _bytes(self, start: int, size: int) -> bytes:
        self._source.seek(start)
        found = bytearray(self._source.read(max(min(size, self.start - start), 0)).ljust(size, b"\0"))
        for at, data in self._pieces:
            first, last = max(at, start), min(at + len(data), start + size)
            if first < last:
                found[first - start : last - start] = data[first - at : last - at]
        return bytes(found)
