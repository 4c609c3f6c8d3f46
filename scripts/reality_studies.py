"""The studies of the reality check: what is typed for each, in the order in which they run."""

from collections.abc import Mapping, Sequence

EPOCHS = {5: 20, 10: 12, 20: 8, 50: 4}
"""Images of each class of tiny_imagenet_50 -> epochs, so that steps differ less than images."""
EXPERIMENTS: Mapping[str, Sequence[str]] = {
    **{f"digits{kind}": [f"experiment=reality/digits{kind}"] for kind in ("", "_more")},
    **{name: [f"experiment=reality/{name}"] for name in ("iris", "wine", "breast_cancer", "pets")},
    **{f"cifar_{kind}": [f"experiment=reality/cifar_{kind}"] for kind in ("clean", "worse", "lt10", "lt100")},
    **{f"cifar_{axis}": [f"experiment=reality/cifar_{axis}"] for axis in ("noise", "few")},
    **{
        f"tiny_{n}": ["experiment=reality/tiny", f"data.images_per_class={n}", f"trainer.max_epochs={epochs}"]
        for n, epochs in EPOCHS.items()
    },
}
INDEPENDENT = ("digits", "iris", "wine", "breast_cancer", "pets", "cifar_clean")
"""Studies that share no example, with labels as they came and the same losses: a test across data sets counts these."""
AXES = {"cifar_noise": "label_noise", "cifar_few": "images_per_class"}
"""Study over a number of the data -> that number; each is one report, its losses at their declared settings."""
TABLES = {"iris": "species", "wine": "grower", "breast_cancer": "diagnosis"}
"""Table of scikit-learn -> what its column of classes is called."""
