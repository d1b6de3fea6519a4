"""``python -m trainfree``: the same program as the ``trainfree`` command."""

from trainfree.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
