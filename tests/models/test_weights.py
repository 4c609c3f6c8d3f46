"""Pretrained weights."""

import hashlib
import os
import re
from collections import OrderedDict
from http.client import IncompleteRead
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import Tensor, nn

from lossbench.models import published
from lossbench.models.published import fetch, imagenet_file
from lossbench.models.resnet import ResNet
from lossbench.models.weights import load_pretrained

WRAPPERS = [
    "",
    "model.backbone.",
    "module.",
    "_orig_mod.",
    "model._orig_mod.backbone.",
    "model.0.backbone.",
    "module.model.backbone.",
]


def backbone(width: int = 4) -> nn.Module:
    return nn.Sequential(OrderedDict(conv1=nn.Conv2d(3, width, 1), bn1=nn.BatchNorm2d(width)))


def same(state: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return state.keys() == other.keys() and all(torch.equal(value, other[key]) for key, value in state.items())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "weights.pt"


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("nested", [False, True])
def test_a_file_round_trips_whatever_training_wrapped_around_it(file: Path, wrapper: str, nested: bool) -> None:
    source, model = backbone().state_dict(), backbone()
    state = {f"{wrapper}{key}": value for key, value in source.items()}
    head = wrapper.replace("backbone.", "")
    state |= {f"{head}fc.weight": torch.zeros(9, 4), f"{head}head.linear.bias": torch.zeros(9)}
    torch.save({"epoch": 3, "state_dict": state} if nested else state, file)
    assert load_pretrained(model, str(file)) == hashlib.sha256(file.read_bytes()).hexdigest()
    assert same(model.state_dict(), source)


def test_without_pretrained_weights_nothing_changes() -> None:
    model = backbone()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert load_pretrained(model, False) is None
    assert same(model.state_dict(), before)


def test_a_head_with_a_name_of_the_backbone_is_not_mixed_up_with_it(file: Path) -> None:
    model = nn.Sequential(OrderedDict(head=nn.Linear(2, 2)))
    kept = {"model.backbone.head.weight": torch.ones(2, 2), "model.backbone.head.bias": torch.ones(2)}
    torch.save({**kept, "model.head.weight": torch.zeros(2, 2), "model.head.bias": torch.zeros(2)}, file)
    load_pretrained(model, str(file))
    assert all((p == 1).all() for p in model.parameters())


def test_a_resnet_loads_torchvisions_file_and_its_own_checkpoint(tmp_path: Path) -> None:
    theirs, own = torchvision.models.resnet18(weights=None), ResNet((3, 32, 32), 5, stem="imagenet", head="concat_pool")
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    torch.save(
        {"state_dict": {f"model.{key}": value for key, value in own.state_dict().items()}}, tmp_path / "own.ckpt"
    )
    for name, source in (("theirs.pth", nn.Sequential(*list(theirs.children())[:-2])), ("own.ckpt", own.backbone)):
        model = ResNet((3, 32, 32), 7, pretrained=str(tmp_path / name))
        assert [*map(torch.equal, model.backbone.state_dict().values(), source.state_dict().values())] == [True] * 120
        assert model.weights_sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def test_a_larger_networks_file_is_refused(file: Path) -> None:
    torch.save(torchvision.models.resnet34(weights=None).state_dict(), file)
    with pytest.raises(
        ValueError, match=r"it is of a larger model and has also layer1\.2\.conv1\.weight, .*, \.\.\.; the file"
    ):
        ResNet((3, 32, 32), 5, pretrained=str(file))


def test_files_older_than_num_batches_tracked_load(file: Path) -> None:
    source = backbone().state_dict()
    torch.save({key: value for key, value in source.items() if "num_batches" not in key}, file)
    model = backbone()
    load_pretrained(model, str(file))
    assert same(model.state_dict(), source)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"conv1.weight": None}, "lacks conv1.weight"),
        ({"conv1.weight": None, "bn1.running_var": None}, "lacks conv1.weight, bn1.running_var"),
        ({"conv1.weight": torch.zeros(5, 3, 1, 1)}, "has other shapes of conv1.weight"),
        ({"conv1.extra": torch.zeros(1)}, "is of a larger model and has also conv1.extra"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_loaded(file: Path, change: dict, fault: str) -> None:
    state = {key: value for key, value in {**backbone().state_dict(), **change}.items() if value is not None}
    torch.save(state, file)
    model = backbone()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=re.escape(f"pretrained file {file} does not fit the model: it {fault}") + ";"):
        load_pretrained(model, str(file))
    assert same(model.state_dict(), before)


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of the same network under other names, with the classifier that a file has."""
    theirs = {f"_{key.replace('.', '_')}": value for key, value in state.items() if "num_batches" not in key}
    return {**theirs, "_fc": torch.zeros(9, 4)}


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (
            renamed(backbone().state_dict()),
            r"the file has 7 tensors, and 0 of the model's 6 by name and shape; in the file's order all 6 shapes "
            r"agree, "
            r"so it is probably the same network under other names \(conv1\.weight = _conv1_weight, .*_match=order",
        ),
        (
            {**backbone(5).state_dict(), "conv1.bias": torch.zeros(4)},
            r"the file has 6 tensors, and 1 of the model's 6 by name and shape; in the file's order 1 shapes agree "
            r"\(conv1\.weight \(4, 3, 1, 1\) against conv1\.weight \(5, 3, 1, 1\), bn1\.weight .*HYDRA_FULL_ERROR=1",
        ),
    ],
)
def test_a_file_that_does_not_fit_says_what_it_shares_with_the_model(
    file: Path, state: dict[str, Tensor], line: str
) -> None:
    torch.save(state, file)
    with pytest.raises(ValueError, match=line) as caught:
        load_pretrained(backbone(), str(file))
    head, first, *_ = caught.value.__notes__[0].splitlines()
    assert head.split() == ["model", "shape", "file", "shape"]
    assert first.split()[:2] == ["conv1.weight", "4"]
    assert first.rstrip().endswith("=" if "_fc" in state else "differs")


def test_a_file_under_other_names_loads_in_order_where_that_is_asked_for(file: Path) -> None:
    source, model = backbone(), backbone()
    torch.save(renamed(source.state_dict()), file)
    assert load_pretrained(model, str(file), match="order") == hashlib.sha256(file.read_bytes()).hexdigest()
    assert same(model.state_dict(), source.state_dict())
    torch.save({f"model.backbone.{k}": v for k, v in renamed(source.state_dict()).items()} | {"head": Tensor()}, file)
    load_pretrained(model, str(file), match="order")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"_bn1.weight": None}, r"it has 5 tensors, and the model has 6|in order, bn1\.weight"),
        (
            {"more": torch.zeros(2, 2), "and": torch.zeros(2), "still": torch.zeros(2)},
            r"it has 3 tensors more than the model",
        ),
        ({"deep": torch.zeros(4, 4, 1, 1)}, r"it has 1 tensors more than the model \(deep\), and no classifier"),
        ({"_conv1.bias": torch.zeros(5)}, r"in order, conv1\.bias \(4,\) stands against _conv1\.bias \(5,\)"),
    ],
)
def test_a_file_that_does_not_match_in_order_is_refused(
    file: Path, change: dict[str, Tensor | None], line: str
) -> None:
    theirs = {f"_{key}": value for key, value in backbone().state_dict().items() if "num_batches" not in key}
    torch.save({key: value for key, value in {**theirs, **change}.items() if value is not None}, file)
    with pytest.raises(ValueError, match=rf"does not fit the model by pretrained_match=order: ({line})") as caught:
        load_pretrained(backbone(), str(file), match="order")
    assert caught.value.__notes__


def test_a_mean_is_not_taken_for_a_weight_of_the_same_shape(file: Path) -> None:
    theirs = {f"_{key}": value for key, value in backbone().state_dict().items() if "num_batches" not in key}
    keys = [*theirs]
    keys[-1], keys[-2] = keys[-2], keys[-1]
    torch.save({key: theirs[key] for key in keys}, file)
    with pytest.raises(ValueError, match=r"in order, bn1\.running_mean \(4,\) stands against _bn1\.running_var"):
        load_pretrained(backbone(), str(file), match="order")
    with pytest.raises(ValueError, match="in the file's order 6 shapes agree") as caught:
        load_pretrained(backbone(), str(file))
    assert "pretrained_match" not in str(caught.value)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("nested", [False, True])
def test_a_file_that_would_execute_code_is_refused_unexecuted(file: Path, tmp_path: Path, nested: bool) -> None:
    evil = Evil(tmp_path / "executed")
    torch.save({"state_dict": backbone().state_dict(), "callbacks": evil} if nested else evil, file)
    with pytest.raises(
        ValueError, match=f"^pretrained file {re.escape(str(file))} is refused: it is damaged or holds more than"
    ) as caught:
        load_pretrained(backbone(), str(file))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", ["truncated", "empty", "text", "list"])
def test_a_damaged_file_is_refused(file: Path, content: str) -> None:
    torch.save([1, 2] if content == "list" else backbone().state_dict(), file)
    data = file.read_bytes()
    file.write_bytes({"truncated": data[: len(data) // 2], "empty": b"", "text": b"weights", "list": data}[content])
    with pytest.raises(ValueError, match=r"^pretrained file .* is refused"):
        load_pretrained(backbone(), str(file))


def test_a_missing_file_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^pretrained file .*nowhere\.pt cannot be read: No such file or directory$"):
        load_pretrained(backbone(), str(tmp_path / "nowhere.pt"))
    with pytest.raises(ValueError, match=r"^pretrained file .* cannot be read: Is a directory$"):
        load_pretrained(backbone(), str(tmp_path))


def test_safetensors_load(tmp_path: Path) -> None:
    source = backbone()
    pytest.importorskip("safetensors.torch").save_file(source.state_dict(), tmp_path / "w.safetensors")
    model = backbone()
    load_pretrained(model, str(tmp_path / "w.safetensors"))
    assert same(model.state_dict(), source.state_dict())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of published weights; torch.hub's lies beside it."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("LOSSBENCH_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.mark.parametrize(
    "error", [URLError("no route"), RuntimeError("invalid hash value"), IncompleteRead(b""), TimeoutError("timed out")]
)
@pytest.mark.parametrize("step", ["knock", "download"])
def test_without_a_network_the_file_and_the_way_out_are_named(
    cache: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, step: str
) -> None:
    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(published, "knock", fail if step == "knock" else lambda url: None)
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(ValueError, match=r"^pretrained file .* does not exist and cannot be downloaded") as caught:
        ResNet((3, 32, 32), 5, "resnet34", pretrained=True)
    assert str(cache / "resnet34-b627a593.pth") in str(caught.value)
    assert "run `lossbench weights resnet34` where there is a network, and copy the file into" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_cached_file_is_used_and_its_name_checked(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "knock", lambda url: pytest.fail("asked the network"))
    prefix = hashlib.sha256(b"weights").hexdigest()[:8]
    cache.mkdir(parents=True)
    (cache / f"net-{prefix}.pth").write_bytes(b"weights")
    assert fetch(f"somewhere/net-{prefix}.pth", "net") == cache / f"net-{prefix}.pth"
    (cache / "resnet18-f37072fd.pth").write_bytes(b"weights")
    with pytest.raises(
        ValueError,
        match=r"^pretrained file .*resnet18-f37072fd\.pth is damaged: its SHA-256 does not begin with f37072fd",
    ):
        imagenet_file("resnet18")


def test_a_download_is_checked_and_loaded(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = backbone()
    torch.save(source.state_dict(), tmp_path / "there")
    digest = hashlib.sha256((tmp_path / "there").read_bytes()).hexdigest()
    url = f"{(tmp_path / 'there').as_uri()}-{digest[:8]}.pth"
    (tmp_path / "there").rename(tmp_path / f"there-{digest[:8]}.pth")
    monkeypatch.setattr("lossbench.models.weights.imagenet_file", lambda architecture: fetch(url, "resnet18"))
    model = backbone()
    assert load_pretrained(model, True, "resnet18") == digest
    assert same(model.state_dict(), source.state_dict())
    assert (cache / f"there-{digest[:8]}.pth").exists()
