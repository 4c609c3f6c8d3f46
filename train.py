"""The command `lossbench` in a checkout: python train.py [GROUP=OPTION ...] [KEY=VALUE ...]."""

from lossbench.cli.main import main

if __name__ == "__main__":
    main()
