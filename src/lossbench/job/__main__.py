"""Run, resume or report one run directory: python -m lossbench.job RUN_DIR."""

from lossbench.errors import exit_on_user_error
from lossbench.job.start import main

if __name__ == "__main__":
    exit_on_user_error(main)
