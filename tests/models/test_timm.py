"""Models of the package timm."""

import hashlib
import importlib
from pathlib import Path
from types import ModuleType
from urllib.error import URLError

import pytest
import torch
import yaml
from torch import nn

from lossbench.config.build import build
from lossbench.models import timm as module
from lossbench.models.timm import Timm

CONF = Path(__file__).parents[2] / "conf" / "model"


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> ModuleType:
        raise ImportError(name)

    monkeypatch.setattr(module, "import_module", missing)
    with pytest.raises(ImportError, match=r"^model=timm needs the extra: pip install 'lossbench\[timm\]'$"):
        Timm((3, 32, 32), 5)


@pytest.fixture
def timm() -> ModuleType:
    return pytest.importorskip("timm")


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext", "test_efficientnet"])
def test_features_are_timms_own(timm: ModuleType, name: str) -> None:
    model, x = Timm((3, 64, 64), 5, name).eval(), torch.randn(2, 3, 64, 64)
    theirs = timm.create_model(name, num_classes=5, **({"img_size": 64} if "vit" in name else {})).eval()
    theirs.load_state_dict(model.backbone.state_dict(), strict=False)
    features = theirs.forward_head(theirs.forward_features(x), pre_logits=True)
    torch.testing.assert_close(model.features(x), features)
    torch.testing.assert_close(model(x), model.head(features))
    assert features.shape == (2, model.num_features)
    assert model(x).shape == (2, 5)


def test_concat_pool_stands_on_the_map(timm: ModuleType) -> None:
    model, x = Timm((3, 64, 64), 5, "test_resnet", head="concat_pool").eval(), torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(model.backbone(x), model.backbone.forward_features(x))
    torch.testing.assert_close(model.features(x), model.backbone(x).mean((2, 3)))
    assert model(x).shape == (2, 5)


@pytest.mark.parametrize("head", ["linear", "concat_pool", "cosine"])
def test_groups_hold_every_parameter_once_and_all_learn(timm: ModuleType, head: str) -> None:
    model = Timm((3, 64, 64), 5, "test_efficientnet", head=head)
    *body, last = model.layer_groups()
    assert len(body) >= 4  # the stem and stages of this model, from the input to the output
    assert sorted(id(p) for group in (*body, last) for p in group) == sorted(id(p) for p in model.parameters())
    assert {id(p) for p in model.backbone.get_submodule("conv_stem").parameters()} <= {id(p) for p in body[0]}
    assert {id(p) for p in last} == {id(p) for p in model.head.parameters()}
    assert model.training
    assert all(part.training for part in model.modules())
    model(torch.randn(4, 3, 64, 64)).square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("shape", [(1, 48, 64), (4, 64, 48)])
@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_other_channels_and_sizes(timm: ModuleType, name: str, shape: tuple[int, int, int]) -> None:
    assert Timm(shape, 5, name)(torch.randn(2, *shape)).shape == (2, 5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"name": "test_resnett"},
            r"name=test_resnett is not allowed; did you mean test_resnet\? timm\.list_models\(\) has all names$",
        ),
        ({"name": "hf-hub:somebody/model"}, "name=hf-hub:somebody/model is not allowed"),
        ({"name": "resnet18.nobody"}, r"name=resnet18\.nobody is not allowed; Invalid pretrained tag"),
        ({"head": "mlp"}, "head=mlp is not allowed; choose one of linear, concat_pool, cosine$"),
        (
            {"head": "concat_pool"},
            r"head=concat_pool needs feature maps \(batch, D, h, w\), which test_vit does not give; use head=linear",
        ),
        ({"name": "swin_tiny_patch4_window7_224", "head": "concat_pool"}, "head=concat_pool needs feature maps"),
        ({"pretrained": 2}, "pretrained must be false, true or a file of weights, got 2$"),
        ({"input_shape": (4,)}, r"inputs must be images \(channels, height, width\), got \(4,\)"),
        (
            {"name": "test_resnet", "input_shape": (3, 0, 0)},
            r"name=test_resnet does not take images of shape \(3, 0, 0\) with head=linear: ",
        ),
    ],
)
def test_other_settings_are_refused(timm: ModuleType, settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        Timm(**{"input_shape": (3, 64, 64), "num_classes": 5, "name": "test_vit", **settings})


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext"])
def test_a_file_loads_without_its_classifier(timm: ModuleType, tmp_path: Path, name: str) -> None:
    theirs = timm.create_model(name, num_classes=9)
    torch.save(theirs.state_dict(), tmp_path / "w.pt")
    model = Timm((3, 160, 160), 5, name, pretrained=str(tmp_path / "w.pt"))
    expected = theirs.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in model.backbone.state_dict().items())
    assert model.weights_sha256 == hashlib.sha256((tmp_path / "w.pt").read_bytes()).hexdigest()


def test_published_weights_come_from_the_cache_and_fit_other_images(
    timm: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, theirs = tmp_path / "model.safetensors", timm.create_model("vit_tiny_patch16_224")
    importlib.import_module("safetensors.torch").save_file(theirs.state_dict(), file)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda **where: str(file))
    monkeypatch.setattr("lossbench.models.published.knock", lambda url: pytest.fail("asked the network"))
    model = Timm((1, 64, 64), 5, "vit_tiny_patch16_224", pretrained=True)
    block = "blocks.0.attn.qkv.weight"
    assert torch.equal(model.backbone.state_dict()[block], theirs.state_dict()[block])
    assert model.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_without_a_network_the_file_and_the_way_out_are_named(
    timm: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(url: str) -> None:
        raise URLError("no route")

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda **where: None)
    monkeypatch.setattr("lossbench.models.published.knock", fail)
    with pytest.raises(
        ValueError, match=r"^pretrained weights model\.safetensors of timm/test_vit\S* is not in "
    ) as caught:
        Timm((3, 64, 64), 5, "test_vit", pretrained=True)
    fetched = "cannot be downloaded (<urlopen error no route>); run `lossbench weights timm/test_vit` where"
    assert fetched in str(caught.value)
    assert str(caught.value).endswith("(LOSSBENCH_WEIGHTS), or give pretrained a file of weights in place of true")


def test_the_configuration_builds_what_it_names(timm: ModuleType) -> None:
    node = yaml.safe_load((CONF / "timm.yaml").read_text())
    model = build(node, "model", input_shape=(3, 32, 32), num_classes=5)
    assert isinstance(model.backbone, nn.Module)
    assert type(model.backbone).__name__ == "ResNet"
    assert model.num_features == 512
