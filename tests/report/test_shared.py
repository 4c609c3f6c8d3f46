"""What runs have in common is held once, and every result is what its file says."""

from pathlib import Path

import pytest
from made_runs import make_arm, make_run

from lossbench.report.records import read_record, read_records


def test_results_that_share_their_parts_are_those_of_their_files(tmp_path: Path) -> None:
    paths = [*make_arm(tmp_path, "power", [0.8, 0.9, 0.7]), make_run(tmp_path, settings={"loss.q": 0.5})]
    paths.append(make_run(tmp_path, "cosine", state="invalid", settings={"loss.alpha": 2.5}))
    found = read_records(paths)
    alone = [read_record(path) for path in paths]
    for ours, theirs in zip(found, alone, strict=True):
        assert (ours.path, ours.status, dict(ours.params)) == (theirs.path, theirs.status, dict(theirs.params))
        assert list(ours.params) == list(theirs.params)
        assert ours.result == theirs.result
    results = [record.done_result for record in found[:3]]
    assert len({id(result.versions) for result in results}) == 1
    assert [result.params["seed"] for result in results] == [0, 1, 2]


@pytest.mark.parametrize(("first", "second"), [(1, 1.0), (1, True), (0.0, -0.0), ([1], [1.0])])
def test_settings_that_are_equal_but_written_differently_stay_as_they_are(
    tmp_path: Path, first: object, second: object
) -> None:
    paths = [
        make_run(tmp_path / str(k), result={"hash": "0" * 64}, settings={"model.x": value})
        for k, value in enumerate((first, second))
    ]
    assert [repr(record.params["model.x"]) for record in read_records(paths)] == [repr(first), repr(second)]
