"""Zip files that differ in bytes of their members alone: the others are the first one with other bytes. Torch-free."""

import struct
import zlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import NamedTuple
from zipfile import ZIP_STORED, ZipFile

LOCAL, CENTRAL = 30, 46  # bytes of a header before the member's name
HAS_DESCRIPTOR = 8  # flag: the checksum stands behind the member, not in front of it
DESCRIPTOR = b"PK\7\10"


class _Member(NamedTuple):
    """Where a member lies.

    Args:
        begin: of its bytes.
        end: of its bytes.
        checksums: where its CRC-32 stands, in front of it or behind it, and in the directory.
    """

    begin: int
    end: int
    checksums: tuple[int, int]


class StoredZip:
    """A zip file as a form: its members are stored, not compressed, and may be filled with other bytes.

    A file of a few kB takes numpy and torch half a millisecond to write; filling a form takes some microseconds.

    Args:
        content: of the file.

    Raises:
        ValueError: a member is compressed.
    """

    def __init__(self, content: bytes | memoryview) -> None:
        self.content = bytes(content)
        self.members = dict(_members(self.content))

    def filled(self, members: Mapping[str, bytes]) -> bytearray:
        """Give the file with other bytes at the ends of some members.

        Args:
            members: name -> its last bytes; what stands before them, such as the header of an array, stays.
        """
        filled = bytearray(self.content)
        for name, content in members.items():
            begin, end, checksums = self.members[name]
            if len(content) > end - begin:
                raise ValueError(f"{name} has {end - begin} bytes, not {len(content)}")
            filled[end - len(content) : end] = content
            checksum = struct.pack("<I", zlib.crc32(memoryview(filled)[begin:end]))
            for place in checksums:
                filled[place : place + 4] = checksum
        return filled

    def read(self, name: str) -> bytes:
        """The bytes of a member of the form."""
        begin, end, _ = self.members[name]
        return self.content[begin:end]


def _members(content: bytes) -> Iterator[tuple[str, _Member]]:
    with ZipFile(BytesIO(content)) as file:
        place = file.start_dir
        for info in file.infolist():  # in the order of the directory
            if info.compress_type != ZIP_STORED:
                raise ValueError(f"{info.filename} is compressed")
            begin = info.header_offset + LOCAL + sum(struct.unpack_from("<HH", content, info.header_offset + 26))
            end = begin + info.file_size
            behind = end + 4 * (content[end : end + 4] == DESCRIPTOR)
            own = behind if info.flag_bits & HAS_DESCRIPTOR else info.header_offset + 14
            yield info.filename, _Member(begin, end, (own, place + 16))
            place += CENTRAL + sum(struct.unpack_from("<HHH", content, place + 28))
