"""Laws of a loss's values and gradients."""

import torch
from torch.nn import functional as F
from torch.testing import assert_close

from lossbench.losses.case import BATCH, CLASSES, Case, Setting, examples, value_and_grad


def values_match_the_naive_reference(case: Case, setting: Setting) -> None:
    """In float64 the values are those of a reference in plain Python."""
    logits, target, _ = examples()
    values = case(logits, target, setting)
    assert values.dtype == torch.float64, f"float64 logits gave {values.dtype}"
    if case.reference is not None:
        naive = [case.reference(row.numpy(), int(y), **setting) for row, y in zip(logits, target, strict=True)]
        assert_close(values, torch.tensor(naive, dtype=torch.float64), rtol=1e-10, atol=1e-12)


def one_value_for_each_example(case: Case, setting: Setting) -> None:
    """The function gives (batch,) values for indices and soft targets; the module reduces them as it says."""
    logits, target, soft = examples(torch.float32)
    output = case.output(logits)
    for t in case.targets(target, soft):
        values = case(logits, t, setting)
        assert values.shape == (BATCH,), f"{BATCH} examples gave values of shape {tuple(values.shape)}"
        assert_close(case.module(**setting, reduction="none")(output, t), values)
        assert_close(case.module(**setting, reduction="sum")(output, t), values.sum())
        weights = case.module(**setting).example_weights(t)
        mean = values.mean() if weights is None else values.sum() / weights.sum()
        assert_close(case.module(**setting)(output, t), mean)


def the_true_class_should_rise(case: Case, setting: Setting) -> None:
    """Where all logits are equal, most examples want their true class higher."""
    _, target, _ = examples()
    _, gradient = value_and_grad(case, torch.zeros(BATCH, CLASSES, dtype=torch.float64), target, setting)
    slopes = gradient.gather(-1, target.unsqueeze(-1))
    assert (slopes < 0).sum() > BATCH // 2, (
        f"at chance the slopes of the true class's score are {slopes.flatten().tolist()}"
    )


def a_soft_target_gives_the_expected_loss(case: Case, setting: Setting) -> None:
    """A target of probabilities gives the mean of the classes' losses under them."""
    logits, _, soft = examples()
    each = torch.stack([case(logits, torch.full((BATCH,), c), setting) for c in range(CLASSES)], -1)
    assert_close(case(logits, soft, setting), (soft * each).sum(-1), rtol=1e-10, atol=1e-12)


def a_one_hot_target_is_the_index(case: Case, setting: Setting) -> None:
    """A one-hot target gives the value and the gradient of its index."""
    logits, target, _ = examples()
    one_hot = F.one_hot(target, CLASSES).double()
    for hard, soft in zip(
        value_and_grad(case, logits, target, setting), value_and_grad(case, logits, one_hot, setting), strict=True
    ):
        assert_close(soft, hard)


def the_gradient_is_the_slope(case: Case, setting: Setting) -> None:
    """Gradients agree with finite differences."""
    logits, target, soft = examples()
    for t in case.targets(target, soft):
        assert torch.autograd.gradcheck(lambda z, t=t: case(z, t, setting), logits.requires_grad_())


def the_curvature_is_the_slope_of_the_gradient(case: Case, setting: Setting) -> None:
    """Second derivatives agree with finite differences of the gradient."""
    logits, target, soft = examples()
    along, step = logits.flip(0, 1), 1e-5
    for t in case.targets(target, soft):
        leaf = logits.clone().requires_grad_()
        gradient = torch.autograd.grad(case(leaf, t, setting).sum(), leaf, create_graph=True)[0]
        slopes = [value_and_grad(case, logits + sign * step * along, t, setting)[1] for sign in (1, -1)]
        slope = (slopes[0] - slopes[1]) / (2 * step)
        found = torch.zeros_like(logits)  # where the gradient is a constant
        if gradient.requires_grad:
            found = torch.autograd.grad((gradient * along).sum(), leaf, materialize_grads=True)[0]
        assert_close(found, slope, rtol=1e-5, atol=1e-6 * float(slope.abs().max().clamp_min(1)))


def a_small_step_downhill_lowers_it(case: Case, setting: Setting) -> None:
    """A step against the gradient lowers every example's loss."""
    logits, target, _ = examples()
    values, gradient = value_and_grad(case, logits, target, setting)
    norm = gradient.norm(dim=-1, keepdim=True)
    lower = case(logits - 1e-5 * gradient / norm.clamp_min(1e-12), target, setting)
    moving = norm.squeeze(-1) > 1e-6  # a class of weight 0 has no slope
    assert moving.sum() > BATCH // 2, "most examples have no gradient"
    assert (lower < values)[moving].all(), "a step downhill raises the loss"


def the_terms_add_up(case: Case, setting: Setting) -> None:
    """The named parts of a loss, where it has any, add up to it."""
    logits, target, _ = examples()
    loss, output = case.module(**setting), case.output(logits)
    if terms := loss.terms(output, target):
        assert_close(sum(terms.values()), loss.per_example(output, target))
