"""`python -m restorebench` and `torchrun -m restorebench` are the command `restorebench`."""

from restorebench.benchmark.cli.main import main

if __name__ == "__main__":
    main()
