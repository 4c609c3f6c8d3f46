"""The residual networks."""

from pathlib import Path

import pytest
import torch
import torchvision
import yaml
from torch import Tensor, nn

from lossbench.config.build import build
from lossbench.errors import UserError
from lossbench.models.resnet import ResNet

CONF = Path(__file__).parents[2] / "conf" / "model"


@pytest.mark.parametrize("architecture", ["resnet18", "resnet34", "resnet50"])
def test_it_is_torchvisions_network(architecture: str) -> None:
    theirs = torchvision.models.get_model(architecture, weights=None, num_classes=5)
    ours = ResNet((3, 32, 32), 5, architecture, stem="imagenet")
    state = theirs.state_dict()
    ours.head.load_state_dict({f"linear.{key}": state.pop(f"fc.{key}") for key in ("weight", "bias")})
    ours.backbone.load_state_dict(state)
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(ours(x), theirs(x))
    assert ours.num_features == ours.features(x).shape[1] == theirs.fc.in_features  # pyright: ignore[reportAttributeAccessIssue]


def test_without_weights_torchvision_draws_them() -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18(weights=None).state_dict()
    torch.manual_seed(0)
    ours = ResNet((3, 32, 32), 5, stem="imagenet")
    assert all(torch.equal(value, theirs[key]) for key, value in ours.backbone.state_dict().items())
    assert ours.weights_sha256 is None


@pytest.mark.parametrize(
    ("size", "stem", "side"),
    [(32, "auto", 4), (64, "auto", 8), (65, "auto", 3), (32, "imagenet", 1), (96, "small", 12)],
)
def test_the_stem_fits_the_images(size: int, stem: str, side: int) -> None:
    model = ResNet((3, size, size), 5, stem=stem).eval()
    with torch.no_grad():
        assert model.backbone(torch.zeros(1, 3, size, size)).shape == (1, 512, side, side)


def test_the_longer_side_decides() -> None:
    strides = [ResNet(shape, 5).backbone.conv1.stride for shape in ((3, 64, 65), (3, 65, 64), (3, 64, 64))]
    assert strides == [(2, 2), (2, 2), (1, 1)]


def test_the_small_stem_is_drawn_as_the_rest() -> None:
    torch.manual_seed(0)
    weight = ResNet((3, 32, 32), 5).backbone.conv1.weight
    assert isinstance(weight, Tensor)
    assert tuple(weight.shape) == (64, 3, 3, 3)
    assert weight.std().item() == pytest.approx((2 / (64 * 3 * 3)) ** 0.5, rel=0.1)


@pytest.mark.parametrize("head", ["linear", "concat_pool", "cosine"])
def test_groups_hold_every_parameter_once_from_the_stem_to_the_head(head: str) -> None:
    model = ResNet((3, 32, 32), 5, head=head)
    groups = model.layer_groups()
    names = {id(p): name for name, p in model.named_parameters()}
    order = [names[id(p)] for group in groups for p in group]
    assert sorted(order) == sorted(names.values())
    prefixes = [("backbone.conv1", "backbone.bn1"), *(f"backbone.layer{i}" for i in range(1, 5)), "head"]
    assert [
        all(names[id(p)].startswith(prefix) for p in group) for group, prefix in zip(groups, prefixes, strict=True)
    ] == [True] * 6


@pytest.mark.parametrize("head", ["linear", "concat_pool", "cosine"])
def test_every_parameter_learns(head: str) -> None:
    model = ResNet((3, 32, 32), 5, head=head)
    logits = model(torch.randn(4, 3, 32, 32))
    assert logits.shape == (4, 5)
    logits.square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_features_are_the_average_of_the_map() -> None:
    model, x = ResNet((3, 32, 32), 5, head="cosine").eval(), torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(model.features(x), nn.functional.adaptive_avg_pool2d(model.backbone(x), 1).flatten(1))
    torch.testing.assert_close(model.head(model.features(x)), model(x))


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50"])
def test_the_configuration_builds_what_it_names(name: str) -> None:
    node = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    model = build(node, "model", input_shape=(3, 32, 32), num_classes=5)
    blocks = [len(getattr(model.backbone, f"layer{i}")) for i in range(1, 5)]
    assert (name, blocks, model.num_features) in [
        ("resnet18", [2, 2, 2, 2], 512),
        ("resnet34", [3, 4, 6, 3], 512),
        ("resnet50", [3, 4, 6, 3], 2048),
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"architecture": "resnet19"},
            "architecture=resnet19 is not allowed; choose one of resnet18, resnet34, resnet50",
        ),
        ({"stem": "tiny"}, "stem=tiny is not allowed; choose one of auto, imagenet, small"),
        ({"head": "mlp"}, "head=mlp is not allowed; choose one of linear, concat_pool, cosine"),
        (
            {"stem": "small", "pretrained": True},
            "stem=small has no pretrained weights; use stem=auto, or pretrained=false",
        ),
        ({"pretrained": 1}, "pretrained must be false, true or a file of weights, got 1"),
        ({"pretrained": ""}, "pretrained must be false, true or a file of weights, got ''"),
        (
            {"input_shape": (1, 28, 28)},
            r"inputs must be images \(3, height, width\), got \(1, 28, 28\); use other data, or model=mlp or linear",
        ),
        ({"input_shape": (4,)}, r"inputs must be images \(3, height, width\), got \(4,\)"),
    ],
)
def test_other_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        ResNet(**{"input_shape": (3, 32, 32), "num_classes": 5, **settings})


def test_a_missing_file_is_reported_with_its_key() -> None:
    node = {"_target_": "lossbench.models.resnet.ResNet", "pretrained": "nowhere.pt"}
    with pytest.raises(
        UserError, match=r"^model\.pretrained file nowhere\.pt cannot be read: No such file or directory$"
    ):
        build(node, "model", input_shape=(3, 32, 32), num_classes=5)
