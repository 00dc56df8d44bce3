"""`python -m archspec`."""

from archspec.cli.app import main

if __name__ == "__main__":
    main()
