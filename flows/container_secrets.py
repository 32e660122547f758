"""``make secrets``: every password and key that containers are given, each made on first use.

``infra/compose.yaml`` mounts the files; for Kubernetes a folder is a Secret and a file one of its keys. The outermost
folder is its owner's alone. A file in it can be read by whoever is given it: the users inside the containers differ.
"""

import sys
from pathlib import Path

from components.api_keys import make_key
from components.errors import TunesmithError
from components.files import write_bytes
from components.package.signing import private_key
from components.settings import load_settings
from flows.stack.passwords import new_secret
from flows.stack.site import USER

FOLDER = "secrets"
"""In the home folder."""
READABLE = 0o644
ADMINS = ("promotion", "prometheus")
"""Who asks servers what they serve: API keys of theirs."""
PASSWORDS = (
    "grafana/admin-password",
    "mlflow/admin-password",
    "mlflow/reader-password",
    "mlflow/session-secret",
    "postgres/admin-password",
    "postgres/mlflow-password",
    "postgres/prefect-password",
    "ray/token",
)


def make_secrets(folder: Path) -> None:
    """Makes what is missing below a folder; what is there stays as it is.

    Args:
        folder: of the secrets.

    Raises:
        SettingsError: an API key cannot be made.
        PackageError: the signing key that is there cannot be used.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in PASSWORDS:
        _keep(folder / name, new_secret())
    _keep(folder / "prefect/auth", f"{USER}:{new_secret()}")
    admin, reader = _read(folder / "mlflow/admin-password"), _read(folder / "mlflow/reader-password")
    _keep(folder / "tracking/line", f"http://{USER}:{admin}@mlflow:5000")
    _keep(folder / "tracking/serving", f"http://reader:{reader}@mlflow:5000")
    for name in ADMINS:
        _keep_api_key(folder, name)
    private_key(folder / "signing/signing.pem", folder / "trusted")
    (folder / "signing/signing.pem").chmod(READABLE)


def _keep(file: Path, text: str) -> None:
    if not file.exists():
        write_bytes(file, text.encode(), mode=READABLE)


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _keep_api_key(folder: Path, name: str) -> None:
    """Servers are given the hash, in ``api-keys/``, and who asks is given the key."""
    key = folder / "asking" / name
    if not key.exists():
        (folder / "api-keys" / f"{name}.json").unlink(missing_ok=True)  # of a key that is lost
        _keep(key, make_key(folder / "api-keys", name, "admin"))


def main() -> None:
    """Makes them in the home folder, and says where."""
    folder = load_settings().home / FOLDER
    make_secrets(folder)
    print(f"The passwords and keys of the containers are in {folder}. Keep a copy elsewhere, and show it to nobody.")


if __name__ == "__main__":
    try:
        main()
    except TunesmithError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
