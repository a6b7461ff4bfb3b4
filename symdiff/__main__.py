"""``python -m symdiff``: the command line."""

from symdiff.cli import main

if __name__ == "__main__":
    main()
