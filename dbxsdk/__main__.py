"""``python -m dbxsdk``: the same as the command ``dbxsdk``."""

import sys

from dbxsdk.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
