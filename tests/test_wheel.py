"""The installed package: a wheel trains, reports, checks and predicts from an empty folder without the checkout."""

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT
from odd_files import photos
from typed import TYPED

pytestmark = pytest.mark.slow
SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")


def pip(*words: object, cwd: Path) -> None:
    command = [sys.executable, "-m", "pip", *map(str, words), "--no-deps", "--no-index", "--disable-pip-version-check"]
    done = subprocess.run(command, cwd=cwd, env=without_checkout(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def without_checkout() -> dict[str, str]:
    return {name: value for name, value in TYPED.items() if name not in ("PYTHONPATH", "LOSSBENCH_RUNS")}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel is built from, in a folder of its own: a build leaves files behind."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in SOURCES:
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", sources, "--no-build-isolation", "--wheel-dir", folder, cwd=folder)
    return next(folder.glob("lossbench-*.whl"))


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `lossbench` of an environment with the wheel and the packages of this one, without this checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    # Named without their .pth files: an editable install of the checkout is one of those.
    import torch

    (site / "packages.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")
    pip("--python", folder / "bin" / "python", "install", wheel, cwd=folder)
    return folder / "bin" / "lossbench"


def run(command: Path, *words: str, cwd: Path) -> str:
    done = subprocess.run(
        [command, *words], cwd=cwd, env=without_checkout(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def test_a_wheel_holds_the_configuration_the_templates_and_the_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    conf = {f"lossbench/conf/{path.relative_to(ROOT / 'conf')}" for path in (ROOT / "conf").rglob("*.yaml")}
    assert conf <= names
    assert {name for name in names if name.startswith("lossbench/conf/")} == conf
    templates = [path for ending in ("html", "css") for path in (ROOT / "src").rglob(f"*.{ending}")]
    assert {"lossbench/py.typed", *(str(path.relative_to(ROOT / "src")) for path in templates)} <= names
    assert "hydra_plugins/lossbench/sweeper.py" in names
    assert {name.split("/")[0] for name in names} == {"lossbench", "hydra_plugins", "lossbench-0.1.0.dist-info"}


def test_the_source_distribution_builds_the_same_wheel(sources: Path, wheel: Path, tmp_path: Path) -> None:
    build = "from setuptools import build_meta; print(build_meta.build_sdist('.'))"
    printed = subprocess.run([sys.executable, "-c", build], cwd=sources, capture_output=True, text=True, check=True)
    archive = sources / printed.stdout.splitlines()[-1]
    pip("wheel", archive, "--no-build-isolation", "--wheel-dir", tmp_path, cwd=tmp_path)
    again = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    assert sorted(again) == sorted(zipfile.ZipFile(wheel).namelist())


@pytest.mark.timeout(900)  # six commands, most of which import torch
def test_the_installed_command_works_from_an_empty_folder(command: Path, tmp_path: Path) -> None:
    place = subprocess.run(
        [command.parent / "python", "-c", "import lossbench; print(lossbench.__file__)"],
        cwd=tmp_path, env=without_checkout(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(place.stdout.strip()).is_relative_to(command.parents[1])
    (work := tmp_path / "work").mkdir()
    trained = run(command, "data=digits", "loss=cosine_xent", "trainer.max_epochs=2", cwd=work)
    assert re.search(r"^accuracy \(%\) +\d", trained, flags=re.MULTILINE)
    run(command, "-m", "data=digits", "loss=cross_entropy,cosine_xent", "trainer.max_epochs=2", "logger=none", cwd=work)
    assert re.search(r"cross_entropy +baseline", run(command, "report", "runs", cwd=work))
    assert (next(work.glob("runs/default/reports/*/report.html"))).exists()
    assert run(command, "status", cwd=work).startswith("2 runs: 2 done")
    assert {path.name for path in work.iterdir()} == {"runs"}


@pytest.mark.timeout(900)
def test_the_installed_command_checks_and_classifies_images(command: Path, tmp_path: Path) -> None:
    (work := tmp_path / "work").mkdir()
    photos(work / "images", [f"{label}/{i}.jpg" for label in "ab" for i in range(12)], size=(31, 17))
    root = f"data.root={work / 'images'}"
    assert "0 unreadable" in run(command, "check", "data=image_folder", root, cwd=work)
    small = ("data=image_folder", root, "model=resnet18", "data.image_size=16", "debug=one_batch", "study=photos")
    run(command, *small, "figures=false", cwd=work)
    photographed = next(work.glob("runs/photos/*/seed0"))
    told = run(command, "predict", str(photographed), str(work / "images" / "a" / "0.jpg"), cwd=work)
    assert re.search(r"0\.jpg  [ab] \d+\.\d %", told)
