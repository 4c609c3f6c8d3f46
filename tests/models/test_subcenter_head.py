"""A cosine classifier with several vectors for each class."""

import pytest
import torch
import torch.nn.functional as F

from lossbench.models.heads import CosineHead
from lossbench.models.subcenter_head import SubCenterHead


def test_the_nearest_of_a_classs_vectors_counts() -> None:
    torch.manual_seed(0)
    head, x = SubCenterHead(3, 4, centers=5), 100 * torch.randn(50, 3)
    vectors = head.weight.view(4, 5, 3)
    expected = torch.stack(
        [F.cosine_similarity(x[:, None], vectors[c][None], dim=-1).max(-1).values for c in range(4)], 1
    )
    torch.testing.assert_close(head(x), expected)
    torch.testing.assert_close(head(x[..., None, None].expand(50, 3, 2, 2)), expected)


def test_one_vector_for_each_class_is_the_cosine_head() -> None:
    one, plain, x = SubCenterHead(3, 4, centers=1), CosineHead(3, 4, scale=1.0), torch.randn(6, 3)
    plain.load_state_dict({"weight": one.weight.data})
    torch.testing.assert_close(one(x), plain(x))


@pytest.mark.parametrize("centers", [0, 1.5, True])
def test_centers_is_a_whole_number(centers: object) -> None:
    with pytest.raises(ValueError, match=rf"^centers must be a whole number >= 1, got {centers}$"):
        SubCenterHead(3, 4, centers=centers)  # pyright: ignore[reportArgumentType]
