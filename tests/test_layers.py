"""Who may import whom (docs/architecture.md): what is planned, listed and reported without torch stays so."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
MODULES = {
    ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__"): path for path in SRC.rglob("*.py")
}
HEAVY = {"torch", "torchvision", "pytorch_lightning", "lightning", "torchmetrics"}
LIGHT_ROOMS = ("cli", "config", "rundir", "job", "launch", "report", "plots", "tuning")
LIGHT_ROOMS += ("data.tables", "data.image_tables", "data.numbered", "data.changes")
LIGHT = [
    "errors", "seeds", "streams", "hardware", "meter", "metrics", "metrics.units",
    "training.schedules", "training.predictions", "trained.predicted", "data.embeddings",
    "data.source", "data.checks", "data.toy", "data.toys", "data.digits", "data.order", "data.augment",
    "data.grouped",
    "vectorized.eligible.settings",
    *(f"vectorized.launch.{name}" for name in ("divide", "limits", "outlook", "task")),
    *(f"data.images.{name}" for name in ("source", "image_source", "listing", "resplit", "random_split")),
    *(f"data.images.{name}" for name in ("imagenet", "pets", "folder", "fake")),
    *(f"data.images.{name}" for name in ("subset", "lists", "inspection", "decode")),
    *("data.labels", "data.parts", "data.parted", "data.images.balance"),
    *(
        name.removeprefix("lossbench.")
        for name in MODULES
        if name.startswith(tuple(f"lossbench.{room}." for room in LIGHT_ROOMS))
    ),
]  # fmt: skip
# Of our own modules and of HEAVY, what a room may name anywhere, also inside functions.
ROOMS = {
    "losses": {"torch", "lossbench.losses", "lossbench.config.rules"},
    "models": {
        *{"torch", "torchvision", "lossbench.models", "lossbench.losses.outputs"},
        *{"lossbench.config.rules", "lossbench.config.model_rules", "lossbench.config.weights_files"},
    },
    "metrics": {"torch", "torchmetrics", "lossbench.metrics", "lossbench.errors", "lossbench.seeds"},
    "data": {
        *{"torch", "torchvision", "pytorch_lightning", "lossbench.data", "lossbench.rundir"},
        *{"lossbench.errors", "lossbench.escaping", "lossbench.seeds", "lossbench.config.values", "lossbench.hardware"},
        "lossbench.meter",
    },
    "rundir": {
        "lossbench.rundir",
        "lossbench.config.schema",
        "lossbench.config.paired",
        "lossbench.config.plain",
        "lossbench.errors",
        "lossbench.hardware",
        "lossbench.meter",
        "lossbench.metrics.registry",
        "lossbench.metrics.units",
    },
    "config": {
        *{"lossbench.config", "lossbench.errors", "lossbench.seeds", "lossbench.rundir", "lossbench.losses"},
        *{
            "lossbench.data.source",
            "lossbench.data.changes",
            "lossbench.data.checks",
            "lossbench.data.embeddings",
            "lossbench.training.schedules",
        },
        "lossbench.metrics.registry",
    },
    "training": {
        *{"torch", "torchvision", "pytorch_lightning", "torchmetrics", "lossbench.training", "lossbench.losses"},
        *{"lossbench.models", "lossbench.data", "lossbench.metrics", "lossbench.config", "lossbench.rundir"},
        *{"lossbench.errors", "lossbench.seeds", "lossbench.hardware", "lossbench.plots", "lossbench.meter"},
        "lossbench.escaping",
    },
    "training.task": {
        *{
            "torch",
            "pytorch_lightning",
            "lossbench.training.divergence",
            "lossbench.training.epoch_sums",
            "lossbench.training.evaluation",
            "lossbench.training.groups",
            "lossbench.training.memorisation",
            "lossbench.training.outputs",
            "lossbench.training.rows",
            "lossbench.training.schedules",
            "lossbench.training.update",
        },
        *{"lossbench.metrics", "lossbench.errors", "lossbench.seeds"},
    },
    "training.schedules": {"lossbench.config.values", "lossbench.training.schedules"},
    # Types and rules: below rundir and data, which read them.
    "config.paired": {"lossbench.config.paired", "lossbench.seeds"},
    "config.plain": {"lossbench.config.plain"},
    "config.values": {"lossbench.config.values", "lossbench.config.plain", "lossbench.errors"},
    "config.parse": {*(f"lossbench.config.{name}" for name in ("parse", "values", "plain"))},
    "config.sections": {*(f"lossbench.config.{name}" for name in ("parse", "values"))},
    "config.schema": {
        *(f"lossbench.config.{name}" for name in ("schema", "sections", "values", "parse", "paired")),
        *{"lossbench.errors", "lossbench.rundir.identity"},
    },
    "job": {
        *{"lossbench.job", "lossbench.config", "lossbench.rundir", "lossbench.errors", "lossbench.hardware"},
        "lossbench.training.fit",
    },
    "launch": {
        *{"lossbench.launch", "lossbench.job", "lossbench.config", "lossbench.rundir", "lossbench.report"},
        *{
            "lossbench.errors",
            "lossbench.hardware",
            "lossbench.meter",
            "lossbench.streams",
            "lossbench.training.dry_run",
        },
        *{"lossbench.training.timing", "lossbench.training.predictions"},
        *{"lossbench.data.order", "lossbench.data.source"},
        *{"lossbench.metrics.units", "lossbench.tuning"},
    },
    "tuning": {
        *{"lossbench.tuning", "lossbench.config", "lossbench.rundir", "lossbench.metrics.units"},
        *{"lossbench.errors", "lossbench.meter", "lossbench.seeds"},
    },
    "vectorized.engine": {
        *{"torch", "lossbench.vectorized.engine", "lossbench.metrics", "lossbench.seeds"},
        *{"lossbench.errors", "lossbench.hardware"},
    },
    "report": {
        "lossbench.report",
        "lossbench.tuning",
        "lossbench.meter",
        "lossbench.plots",
        "lossbench.rundir",
        *(f"lossbench.config.{name}" for name in ("build", "class_weights", "facts", "rules", "schema")),
        "lossbench.metrics.examples",
        "lossbench.metrics.registry",
        "lossbench.metrics.units",
        "lossbench.errors",
        "lossbench.escaping",
        "lossbench.seeds",
    },
    "plots": {"lossbench.plots", "lossbench.rundir.files", "lossbench.errors", "lossbench.escaping"},
    "trained": {
        *{"torch", "lossbench.trained", "lossbench.training", "lossbench.models", "lossbench.data", "lossbench.config"},
        *{"lossbench.rundir", "lossbench.metrics", "lossbench.errors", "lossbench.escaping"},
    },
    "transfer": {
        *{"torch", "lossbench.transfer", "lossbench.trained", "lossbench.training", "lossbench.models"},
        *{"lossbench.data", "lossbench.metrics", "lossbench.rundir", "lossbench.errors", "lossbench.meter"},
    },
    "export": {
        *{"torch", "lossbench.export", "lossbench.trained", "lossbench.data", "lossbench.config", "lossbench.rundir"},
        *{"lossbench.metrics.units", "lossbench.errors", "lossbench.escaping"},
    },
    "atlas": {
        *{
            "torch",
            "lossbench.atlas",
            "lossbench.losses",
            "lossbench.plots",
            "lossbench.rundir.files",
            "lossbench.rundir.reading",
            "lossbench.tuning.spaces",
        },
        *{"lossbench.config", "lossbench.errors"},
    },
}


def imported(nodes: list[ast.stmt]) -> Iterator[str]:
    """Modules named by import statements; `from package import module` names the module."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else str(node.module)


def at_top(module: str) -> set[str]:
    """What importing a module imports at once, its own packages included."""
    parents = [module.rpartition(".")[0]] if "." in module else []
    return {*imported(ast.parse(MODULES[module].read_text()).body), *parents}


def anywhere(module: str) -> set[str]:
    return set(
        imported([node for node in ast.walk(ast.parse(MODULES[module].read_text())) if isinstance(node, ast.stmt)])
    )


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_knows_only_its_neighbours(room: str) -> None:
    members = [module for module in MODULES if f"{module}.".startswith(f"lossbench.{room}.")]
    assert members
    for module in members:
        watched = {name for name in anywhere(module) if name.split(".")[0] in {*HEAVY, "lossbench"}}
        strangers = [name for name in watched if not any(f"{name}.".startswith(f"{known}.") for known in ROOMS[room])]
        assert not strangers, f"{module} imports {strangers}"


def test_no_module_imports_itself_through_others() -> None:
    """Imports inside functions count too, but for the one arrow from a job to the training of its run."""
    known = {name: {other for other in anywhere(name) if other in MODULES and other != name} for name in MODULES}
    known["lossbench.job.start"] -= {"lossbench.training.fit"}
    while leaves := [name for name, others in known.items() if not others & known.keys()]:
        for name in leaves:
            del known[name]
    assert not known, f"these import each other: {sorted(known)}"


@pytest.mark.parametrize("module", [*(f"lossbench.{name}" for name in LIGHT), "hydra_plugins.lossbench.sweeper"])
def test_what_must_start_fast_reaches_nothing_heavy(module: str) -> None:
    seen, todo = set(), [module]
    while todo:
        name = todo.pop()
        seen.add(name)
        todo += [other for other in at_top(name) if other in MODULES and other not in seen]
    heavy = {f"{name} imports {other}" for name in seen for other in at_top(name) if other.split(".")[0] in HEAVY}
    assert not heavy


def test_planning_a_run_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from conftest import plan_run; import lossbench.cli.train\n"
        "import lossbench.launch.sweep\n"
        "from lossbench.config.verify import verify; plan_run(Path(sys.argv[1]), 'data=digits', 'model=mlp')\n"
        "run = plan_run(Path(sys.argv[1])); verify(run); print(run.path)\n"
        f"sys.exit(', '.join({ {*HEAVY, 'scipy', 'sklearn'} } & set(sys.modules)) or None)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT / "tests", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (Path(done.stdout.strip()) / "config.yaml").exists()


UNNEEDED = ("sklearn", "pandas", "polars", "datasets", "timm", "torchcodec", "lossbench.report.publish")
UNNEEDED += tuple(f"lossbench.{room}" for room in ("plots", "atlas", "vectorized", "export", "trained"))


def test_a_short_run_imports_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    """What Lightning imports by itself (torchmetrics, torchvision, scipy.signal, matplotlib) no run can leave out."""
    words = ["data=digits", "model=mlp", "trainer=cpu", "trainer.max_steps=2", f"runs_dir={tmp_path}"]
    code = (
        "import sys\nfrom lossbench.cli.main import main\ntry:\n    main()\n"
        f"finally:\n    print(*({set(UNNEEDED)} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")
