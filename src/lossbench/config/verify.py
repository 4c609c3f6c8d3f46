"""Whether a planned run directory can be trusted before it runs. Torch-free."""

from lossbench.config import custom
from lossbench.config.build import check_targets
from lossbench.config.compatible import check_together
from lossbench.config.data_fit import check_kind
from lossbench.config.facts import Cache, build_source, kind_of, weights_of
from lossbench.config.inside import check_inside
from lossbench.config.parse import required
from lossbench.config.schema import RunConfig
from lossbench.data.embeddings import embeddings_of
from lossbench.errors import UserError
from lossbench.rundir.contents import check_contents
from lossbench.rundir.directory import RunDirectory


def verify(run: RunDirectory, cache: Cache | None = None) -> None:
    """Check a planned directory before it runs: safe targets, values, unedited config.yaml, the same data and weights.

    Args:
        run: the directory.
        cache: remembers what has been found out for other runs that start now.

    Raises:
        UserError: says which of these fails and what to do.
    """
    verify_config(run)
    config, cache = run.config, cache or Cache()
    if (weights := cache(weights_of, config.model)) != config.weights:
        raise UserError(
            f"the pretrained weights of {run.path} have changed since it was planned ({config.weights}, now {weights})"
        )
    if (embeddings := embeddings_of(config.record)) != config.record.get("embeddings"):
        raise UserError(
            f"the class embeddings of {run.path} have changed since it was planned "
            f"({config.record['embeddings']}, now {embeddings})"
        )
    now = cache.fingerprint(config.data.source)
    if now != config.fingerprint:
        raise UserError(
            f"the data of {run.path} have changed since it was planned (fingerprint {config.fingerprint}, now {now}); "
            "restore them, or start a new run with lossbench"
        )


def verify_config(run: RunDirectory) -> None:
    """Check the configuration of a planned directory alone: safe targets, values, an unedited config.yaml.

    The hyper-parameters of its losses are not checked again: the losses do so when they are built.

    Raises:
        UserError: says which of these fails and what to do.
    """
    run.check_version()
    missing = [key for key in required(RunConfig) if key not in run.record]
    if missing:
        raise UserError(f"{run.path / 'config.yaml'} lacks {', '.join(missing)}; plan the run again with lossbench")
    check_targets(run.record)
    check_inside(run.record)
    check_contents(run.path)
    run.verify()
    check_together(run.config)
    custom.verify(run.record, run.path)
    check_kind(run.config, kind_of(build_source(run.config.data.source)))
