"""Arrays of a run directory: what is read equals what numpy reads, and anything else is refused."""

import struct
from pathlib import Path

import numpy as np
import pytest

from lossbench.rundir.arrays import open_arrays
from lossbench.rundir.reading import DamagedError

ARRAYS = {
    "empty": np.zeros((0, 3), np.float32),
    "no_text": np.array(["", ""]),
    "texts": np.array(["a", "bé"]),
    "one": np.array(3),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "other_bytes": np.arange(4).astype(">i4"),
    "half": np.arange(4, dtype=np.float16).reshape(2, 2),
}


def save(path: Path, **arrays: np.ndarray) -> Path:
    with open(path, "wb") as file:
        np.savez(file, allow_pickle=True, **arrays)
    return path


def test_every_kind_of_array_is_read_as_numpy_reads_it(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", **ARRAYS)
    with open_arrays(path, "") as found:
        assert [*found] == [*ARRAYS]
        for name, array in ARRAYS.items():
            assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(found[name], array)
            assert found[name].flags.writeable  # torch warns of others


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"(4,)", b"(9,)", "does not fit its size"),
        (b"<f8", b"|O8", "objects"),
        (b"NUMPY\x01", b"NUMPY\x03", "does not begin as numpy writes it"),
    ],
)
def test_an_array_that_is_not_what_it_says_is_refused(tmp_path: Path, old: bytes, new: bytes, said: str) -> None:
    path = save(tmp_path / "a.npz", x=np.arange(4.0))
    path.write_bytes(with_checksum(path.read_bytes().replace(old, new)))
    with pytest.raises(DamagedError, match=said), open_arrays(path, "") as found:
        _ = found["x"]


def with_checksum(content: bytes) -> bytes:
    """Put the checksum of the one array right, as who writes such a file on purpose would."""
    from zlib import crc32

    start, end = content.index(b"\x93NUMPY"), content.index(b"PK\x01\x02")
    checksum = struct.pack("<I", crc32(content[start:end]))
    return content[:14] + checksum + content[18 : end + 16] + checksum + content[end + 20 :]
