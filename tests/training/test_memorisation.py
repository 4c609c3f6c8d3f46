"""How well labels that were made wrong are fitted."""

from pathlib import Path

import torch
from conftest import plan_run
from run_files import result_of

from lossbench.job.start import start
from lossbench.training.memorisation import counted, memorisation_row

GIVEN, TRUE = torch.tensor([0, 1, 2, 0]), torch.tensor([0, 1, 0, 2])


def test_labels_of_a_batch_are_counted_for_one_run_and_for_many() -> None:
    predicted = torch.tensor([[0, 0, 2, 2], [0, 1, 0, 2]])
    one = [value.tolist() for value in counted(predicted[0], GIVEN, TRUE)]
    assert one == [2, 1, 2, 1, 1]
    both = torch.stack(counted(predicted, GIVEN, TRUE), dim=-1)
    assert both.tolist() == [one, [2, 2, 2, 0, 2]]
    assert torch.stack(counted(predicted, GIVEN.expand(2, 4), TRUE.expand(2, 4)), dim=-1).equal(both)
    row = {name: value.tolist() for name, value in memorisation_row(both).items()}
    assert row == {
        "train/fitted_clean": [0.5, 1.0],
        "train/fitted_flipped": [0.5, 0.0],
        "train/recovered": [0.5, 1.0],
    }


def test_a_model_that_can_learns_wrong_labels_by_heart(tmp_path: Path) -> None:
    words = ("data=digits", "data.images_per_class=10", "data.label_noise=0.4", "model=mlp", "trainer=cpu")
    run = plan_run(
        tmp_path, *words, "data.batch_size=20", "optimizer.lr=0.01", "trainer.max_epochs=60", "figures=false"
    )
    start(run)
    result = result_of(run)
    assert result.facts["memorisation"]["fitted_flipped"] > 0.9
    assert result.facts["memorisation"]["recovered"] < 0.1
    assert result.facts["changes"]["label_noise"]["splits"]["train"] == {"wrong": 40, "of": 100}
    last, best = (result.facts["last_and_best"][name] for name in ("last", "best"))
    assert last["test"] == result.metrics["test/accuracy"]
    assert last["test"] < best["test"] - 0.05  # learnt by heart, the wrong labels cost more than 5 points
    assert last["val"] < best["val"]


def test_mixed_examples_have_no_label_that_could_be_fitted(tmp_path: Path) -> None:
    words = ("data=digits", "data.label_noise=0.4", "model=linear", "trainer=cpu", "trainer.max_epochs=1")
    run = plan_run(tmp_path, *words, "augment=mixing", "figures=false")
    start(run)
    assert "memorisation" not in result_of(run).facts
