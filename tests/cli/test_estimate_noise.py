"""lossbench estimate-noise: from a run on wrong labels to the matrix that a corrected loss takes."""

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import plan_run

from lossbench.cli import estimate_noise
from lossbench.errors import UserError
from lossbench.job.start import start


def test_a_run_on_wrong_labels_gives_a_matrix_that_a_corrected_loss_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = ("data=digits", "data.label_noise=0.3", "data.noise=pairs")
    run = plan_run(tmp_path, *wrong, "trainer.max_epochs=5")
    start(run)
    out = tmp_path / "rates.csv"
    estimate_noise.main([str(run.path), "--out", str(out)])
    printed = capsys.readouterr().out
    rates = np.loadtxt(out, delimiter=",")
    assert (rates.argmax(1) == np.arange(10)).all()
    further = [rates[np.arange(10), (np.arange(10) + step) % 10].mean() for step in range(1, 10)]
    assert further[0] > max(further[1:])
    assert f"loss.matrix={out}" in printed
    corrected = plan_run(tmp_path, *wrong, "loss=forward_correction", f"loss.matrix={out}")
    assert np.allclose(corrected.record["loss"]["matrix"], rates)
    true = 0.7 * np.eye(10) + 0.3 * np.roll(np.eye(10), 1, axis=1)
    said = re.search(r"its entries are ([0-9.]+) points off them on average", printed)
    assert said is not None
    assert float(said[1]) == pytest.approx(100 * np.abs(rates - true).mean(), abs=0.2)
    with pytest.raises(UserError, match="exists already"):
        estimate_noise.main([str(run.path), "--out", str(out)])
