"""`python -m baler_core` is the command `baler`."""

from baler_core.cli import main

if __name__ == "__main__":
    main()
