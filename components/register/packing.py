"""``python -m components.register.packing``: what the line has made here as ``models/package``; nothing is registered.

``tunesmith reproduce`` runs it in the checkout of a version, by that version's own code: later releases rely on it.
"""

import sys

from components.errors import TunesmithError
from components.params import load_params
from components.register.building import proven_package
from components.register.proof import lock_sha256
from components.settings import export_environment, load_settings
from components.stage import die_with_parent


def main() -> None:
    """Makes the package; exits with 1 after a sentence on stderr where that cannot be."""
    die_with_parent()
    try:
        settings = load_settings()
        export_environment(settings)
        print(f"Package {proven_package(load_params(), settings, lock_sha256())[:12]}….")
    except TunesmithError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
