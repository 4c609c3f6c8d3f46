"""Train a classifier with the loss of your choice: python train.py [GROUP=OPTION ...] [KEY=VALUE ...]; the command `lossbench`."""

from lossbench.cli.main import main

if __name__ == "__main__":
    main()
