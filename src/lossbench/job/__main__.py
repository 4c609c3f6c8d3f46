"""Run, resume or report one run directory: python -m lossbench.job RUN_DIR."""

from lossbench.errors import exit_on_user_error


def main() -> None:
    """Run it; imports that take a while are inside, where a signal is handled."""
    from lossbench.job.start import main as start

    start()


if __name__ == "__main__":
    exit_on_user_error(main, prints=False)
