"""Stacks of tiny and of linear models against the same arithmetic in JAX, by vmap and scan.

JAX is the extra `bench`. Without JAX the reference is the eager step of the stack.
"""

import argparse
import math
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks import many as work
from benchmarks.figure import Figure, compare
from benchmarks.runs import hush
from lossbench.hardware import keep_freed_memory

TOY_STEPS, EXAMPLES, FEATURES, CLASSES, BATCH = 5000, 5912, 512, 37, 64


def figures(given: argparse.Namespace) -> list[Figure]:
    """Training alone, once compiled: a thousand toy runs of 5,000 steps, ms a run; 200 linear heads, run-steps/s."""
    hush()
    keep_freed_memory()
    runs, steps = (20, 20) if given.tiny else (1000, 300)
    with_jax = find_spec("jax") is not None
    name = "jax" if with_jax else "eager"
    toy = jax_toy(runs) if with_jax else lambda: work.toy_training(runs, engine="eager")
    heads = jax_heads(runs // 5, steps) if with_jax else lambda: work.heads(runs // 5, steps)
    return [
        compare(f"tiny.toy/{name}", "ms/run", lambda: 1e3 * work.toy_training(runs), lambda: 1e3 * toy(), 3, cost=True),
        compare(f"tiny.heads/{name}", "steps/s", lambda: work.heads(runs // 5, steps), heads, 3, cost=False),
    ]


def adam(jnp: Any, theta: Any, g: Any, m: Any, v: Any, t: Any, lr: Any) -> tuple[Any, Any, Any]:
    """Adam's update, as algorithm 1 of Kingma and Ba has it."""
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    step_size, root = lr / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
    return theta - step_size * m / (jnp.sqrt(v) / root + 1e-8), m, v


def jax_toy(runs: int) -> Callable[[], float]:
    """Toy runs in JAX; the function gives seconds a run, once compiled."""
    jax, jnp = _jax()

    target, beta = jnp.array([1, 2, 3, 0]), 1.0

    def loss(theta: Any, alpha: Any) -> tuple[Any, Any]:
        log_p = jax.nn.log_softmax(theta)[jnp.arange(4), target]
        slope = math.pi / 2 * alpha
        half = -jnp.expm1(log_p) * (slope / 2)
        values = 2 * jnp.sin(half + (math.pi - slope - beta)) * jnp.sin(half)
        return values.mean(), (theta.argmax(-1) == target).sum()

    def run(theta: Any, alpha: Any) -> Any:
        def step(carry: Any, t: Any) -> tuple[Any, None]:
            theta, m, v, losses, hits = carry
            (value, right), g = jax.value_and_grad(loss, has_aux=True)(theta, alpha)
            theta, m, v = adam(jnp, theta, g, m, v, t, 0.1)
            return (theta, m, v, losses + value, hits + right), None

        zeros = jnp.zeros((4, 5))
        return jax.lax.scan(step, (theta, zeros, zeros, 0.0, 0), jnp.arange(1.0, TOY_STEPS + 1))[0]

    start = jax.random.uniform(jax.random.key(0), (runs, 4, 5))
    return _timed(jax, jax.jit(jax.vmap(run)), (start, jnp.linspace(0.2, 0.8, runs)), 1 / runs)


def jax_heads(runs: int, steps: int) -> Callable[[], float]:
    """Linear heads in JAX, each with its own order of examples; the function gives run-steps/s, once compiled."""
    jax, jnp = _jax()

    keys = jax.random.split(jax.random.key(0), 3)
    features = jax.random.normal(keys[0], (EXAMPLES, FEATURES))
    targets = jax.random.randint(keys[1], (EXAMPLES,), 0, CLASSES)
    orders = jax.random.randint(keys[2], (runs, steps, BATCH), 0, EXAMPLES)

    def loss(theta: Any, x: Any, y: Any) -> tuple[Any, Any]:
        z = x @ theta[0] + theta[1]
        values = -jax.nn.log_softmax(z)[jnp.arange(BATCH), y]
        return values.mean(), (z.argmax(-1) == y).sum()

    def run(order: Any, lr: Any) -> Any:
        def step(carry: Any, given: Any) -> tuple[Any, None]:
            theta, m, v, losses, hits = carry
            t, chosen = given
            (value, right), g = jax.value_and_grad(loss, has_aux=True)(theta, features[chosen], targets[chosen])
            new = [adam(jnp, *each, t, lr) for each in zip(theta, g, m, v, strict=True)]
            theta, m, v = (list(column) for column in zip(*new, strict=True))
            return (theta, m, v, losses + value, hits + right), None

        zeros = [jnp.zeros((FEATURES, CLASSES)), jnp.zeros(CLASSES)]
        counted = (jnp.arange(1.0, steps + 1), order)
        return jax.lax.scan(step, (zeros, zeros, zeros, 0.0, 0), counted)[0]

    seconds = _timed(jax, jax.jit(jax.vmap(run)), (orders, jnp.linspace(1e-3, 2e-3, runs)), 1.0)
    return lambda: runs * steps / seconds()


def _jax() -> tuple[Any, Any]:
    return import_module("jax"), import_module("jax.numpy")


def _timed(jax: Any, function: Callable[..., Any], given: tuple[Any, ...], share: float) -> Callable[[], float]:
    """Compile a function now; give what times it."""
    jax.block_until_ready(function(*given))

    def timed() -> float:
        start = time.perf_counter()
        jax.block_until_ready(function(*given))
        return share * (time.perf_counter() - start)

    return timed
