"""The configuration folder, composed outside of Hydra's command line."""

import math
from pathlib import Path

import pytest
from conftest import ROOT
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException

from lossbench.config.composition import composed, conf_folder, config_dir_of, hydra_started, own_folder, plain, written
from lossbench.errors import UserError


def test_a_checkout_reads_its_own_folder() -> None:
    assert conf_folder() == ROOT / "conf"


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, 3, -1.5, 1e-7, math.inf, "word", "two words", "it's", 'say "x"'),
        *("a,b", "${data.overfit_batches}", "1", "true", ""),
        *(r"back\slash", r"ends with \'", "C:/x y/ü", "a=b", ["a", ["b, c", 1], None], ("x", 2.5)),
    ],
)  # fmt: skip
def test_python_values_come_back_from_hydras_grammar(value: object) -> None:
    with hydra_started():
        node = composed([f"+own={written(value)}"])
    if value == "${data.overfit_batches}":  # an interpolation, as on the command line
        value = 0
    assert plain(node)["own"] == (list(value) if isinstance(value, tuple) else value)


def test_what_hydra_cannot_write_is_refused() -> None:
    with pytest.raises(UserError, match=r"\{'a': 1\} cannot be a setting"):
        written({"a": 1})


def test_another_hydra_is_as_it_was_also_after_an_error(tmp_path: Path) -> None:
    (tmp_path / "theirs.yaml").write_text("answer: 42\n")
    with initialize_config_dir(str(tmp_path), version_base="1.2"):
        with pytest.raises(HydraException), hydra_started():
            composed(["loss=nowhere"])
        assert compose("theirs")["answer"] == 42
    assert not GlobalHydra.instance().is_initialized()


def test_a_file_behind_one_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").touch()
    assert own_folder(tmp_path) == tmp_path
    (tmp_path / "data" / "digits.yaml").touch()
    with pytest.raises(UserError, match=r"data/digits\.yaml has the name of one of lossbench's own files"):
        own_folder(tmp_path)


def test_config_dir_is_told_from_hydras_short_options() -> None:
    assert config_dir_of(["-c", "job"]) is None
    assert config_dir_of(["-m", "-c", "all", "-cd", "mine", "loss=power"]) == "mine"
    assert config_dir_of(["--config-dir=mine"]) == "mine"
    with pytest.raises(UserError, match=r"expected one argument; --config-dir names a folder of your own YAML files$"):
        config_dir_of(["--config-dir"])
