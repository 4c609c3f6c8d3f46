"""A zip file as a form: filled, it is what numpy and torch would have written."""

from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import torch

from lossbench.rundir.stored_zip import StoredZip


def npz(**arrays: np.ndarray) -> bytes:
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_a_filled_form_is_the_file_that_numpy_writes() -> None:
    rng, ids = np.random.default_rng(0), np.array(["a", "bc"])
    first, second = rng.standard_normal((2, 2, 3), dtype=np.float32)
    form = StoredZip(npz(outputs=first, ids=ids))
    assert form.filled({"outputs.npy": second.tobytes()}) == npz(outputs=second, ids=ids)
    assert form.filled({}) == npz(outputs=first, ids=ids)


def test_a_filled_checkpoint_is_read_by_torch_and_its_checksums_are_right() -> None:
    buffer = BytesIO()
    torch.save({"weight": torch.zeros(3, 2), "count": torch.tensor(1), "step": 5}, buffer)
    weight = torch.arange(6.0).view(3, 2)
    filled = StoredZip(buffer.getbuffer()).filled({"archive/data/0": weight.numpy().tobytes()})
    read = torch.load(BytesIO(filled), weights_only=True)
    assert (read["weight"].tolist(), read["count"].item(), read["step"]) == (weight.tolist(), 1, 5)
    with ZipFile(BytesIO(filled)) as file:
        assert file.testzip() is None


def test_what_does_not_fit_into_a_form_is_refused() -> None:
    form = StoredZip(npz(outputs=np.zeros(2)))
    with pytest.raises(ValueError, match="bytes, not 1000"):
        form.filled({"outputs.npy": bytes(1000)})
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as file:
        file.writestr("outputs.npy", bytes(1000))
    with pytest.raises(ValueError, match="is compressed"):
        StoredZip(packed.getvalue())
