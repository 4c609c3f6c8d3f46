"""Small pictures of test examples, as they stand in the page."""

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np

from lossbench.errors import UserError, one_line
from lossbench.report.records import Record
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.reading import DamagedError

LONGEST = 96  # pixels of the longer side; smaller pictures stay as they are, and the page enlarges them
FLAT = 64  # pixels up to which a picture is kept exactly, as PNG; photographs become JPEG
OWN_DATA = "lossbench.data."


def thumbnails(run: Record, ids: Sequence[str]) -> tuple[Mapping[str, str], str]:
    """Read the pictures of some test examples of a run's data set.

    Args:
        run: done; its config.yaml says where the data are.
        ids: names of test examples.

    Returns:
        Name -> data URI, {} where there are no pictures; and why not, "" where the data are no pictures.
    """
    try:
        found = _pictures(run, ids)
    except (UserError, DamagedError, ValueError, OSError) as error:
        return {}, one_line(error)
    return {name: _data_uri(picture) for name, picture in zip(ids, found, strict=False)}, ""


def _pictures(run: Record, ids: Sequence[str]) -> list[np.ndarray]:
    from lossbench.config.facts import build_source
    from lossbench.config.schema import RunConfig

    config = RunConfig.of(RunDirectory(run.path).record)
    if not str(config.data.source.record.get("_target_")).startswith(OWN_DATA):
        raise UserError("the data set is in a user's own file, which a report does not execute")
    return build_source(config.data.source).pictures(ids)


def _data_uri(picture: np.ndarray) -> str:
    from PIL import Image

    image = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
    image.thumbnail((LONGEST, LONGEST))
    kind, options = ("PNG", {"optimize": True}) if max(picture.shape[:2]) <= FLAT else ("JPEG", {"quality": 80})
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
