"""Train the runs of a list as stacks: python -m lossbench.vectorized LIST."""

from lossbench.errors import exit_on_user_error


def main() -> None:
    """Train them; imports that take a while are inside, where a signal is handled."""
    from lossbench.vectorized.launch.task import main as start

    start()


if __name__ == "__main__":
    exit_on_user_error(main, prints=False)
