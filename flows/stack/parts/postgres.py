"""PostgreSQL: the database of MLflow and Prefect, in ``postgres/`` of the home folder, on loopback alone.

Its cluster is made on first use: beside its place, with its roles, databases and passwords, and then put there whole.
"""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from components.errors import ServingError
from components.files import whole_folder, write_bytes
from flows.ports import LOOPBACK
from flows.stack.part import Part, Port
from flows.stack.passwords import new_secret
from flows.stack.process import as_user
from flows.stack.site import Site

NAME = "postgres"
DEBIAN = Path("/usr/lib/postgresql")
ADMIN = "tunesmith"
ROLES = ("mlflow", "prefect")
"""Each owns the database of its name, and may do nothing else."""
SYSTEM_USER = "postgres"
"""Who it runs as where we are root, which PostgreSQL refuses to be."""


def part(site: Site) -> Part:
    """PostgreSQL."""
    port, programs = site.stack.postgres_port, _programs(site) or DEBIAN
    settings = {"listen_addresses": LOOPBACK, "port": str(port), "unix_socket_directories": ""}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return Part(
        name=NAME,
        about="database of MLflow and Prefect",
        command=(str(programs / "postgres"), "-D", str(_data(site)), *options),
        healthy=lambda: _ready(programs, port),
        address=f"{LOOPBACK}:{port}",
        ports=(Port(LOOPBACK, port, "TUNESMITH_STACK_POSTGRES_PORT"),),
        missing=lambda: _missing(site),
        prepare=lambda: _make_cluster(site, programs),
        stop=signal.SIGINT,  # it ends now, in good order; by SIGTERM it would wait for who is connected
        user=_user(),
        folder=Path("/"),
    )


def connection(site: Site, role: str, driver: str) -> str:
    """The address of a role's database for SQLAlchemy; the password is in :func:`passfile`."""
    return f"postgresql+{driver}://{role}@{LOOPBACK}:{site.stack.postgres_port}/{role}"


def passfile(site: Site, role: str) -> Path:
    """What PGPASSFILE names: so the password is on no command line, in no address and in no log."""
    return site.keys / "postgres" / f"{role}.pgpass"


def _data(site: Site) -> Path:
    return site.home / NAME


def _user() -> str | None:
    return SYSTEM_USER if os.geteuid() == 0 else None


def _programs(site: Site) -> Path | None:
    """The folder of the programs that can run the cluster that is there, or the newest where there is none."""
    version = _version(site)
    folders = sorted(DEBIAN.glob("*/bin"), key=lambda folder: int(folder.parent.name.split(".")[0]), reverse=True)
    if named := shutil.which("initdb"):
        folders.insert(0, Path(named).resolve().parent)
    usable = [folder for folder in folders if (folder / "postgres").exists() and (folder / "initdb").exists()]
    if version is None:
        return usable[0] if usable else None
    return next((folder for folder in usable if _release(folder) == version), None)


def _version(site: Site) -> str | None:
    """The release that made the cluster, such as 15; None: there is none yet."""
    file = _data(site) / "PG_VERSION"
    return file.read_text(encoding="ascii").strip() if file.exists() else None


def _release(programs: Path) -> str:
    said = subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    return said.split("(PostgreSQL) ")[1].split(".")[0].strip()


def _missing(site: Site) -> list[str]:
    faults, version = [], _version(site)
    if _programs(site) is None and version is None:
        faults.append(f"initdb and postgres are neither on the PATH nor in {DEBIAN}/*/bin: apt-get install postgresql")
    elif _programs(site) is None:
        faults.append(
            f"{_data(site)} was made by PostgreSQL {version}, which is not here: apt-get install postgresql-{version}, "
            "or take the data over to another release with pg_upgrade"
        )
    lost = [str(passfile(site, role)) for role in ROLES if not passfile(site, role).exists()]
    if version is not None and lost:
        faults.append(f"{_data(site)} is there, but not its passwords ({', '.join(lost)}): put them back")
    return faults + _unusable_as_root(site)


def _unusable_as_root(site: Site) -> list[str]:
    if (user := _user()) is None:
        return []
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return [f"PostgreSQL does not run as root, and there is no user {user} to run it as: adduser --system {user}"]
    closed = [folder for folder in _data(site).parents if folder.exists() and not _passable(folder, entry)]
    return [
        f"PostgreSQL does not run as root but as {user}, who cannot pass {folder}: chmod o+x {folder}, or set "
        "TUNESMITH_HOME to a folder that everybody can pass"
        for folder in closed
    ]


def _passable(folder: Path, user: pwd.struct_passwd) -> bool:
    found = folder.stat()
    bit = 0o100 if found.st_uid == user.pw_uid else 0o010 if found.st_gid == user.pw_gid else 0o001
    return bool(found.st_mode & bit)


def _ready(programs: Path, port: int) -> bool:
    question = [str(programs / "pg_isready"), "-q", "-t", "3", "-h", LOOPBACK, "-p", str(port), "-U", ADMIN, "-d", NAME]
    try:
        return subprocess.run(question, check=False, capture_output=True).returncode == 0
    except OSError:  # its programs are being replaced, or this machine has no room for another process
        return False


def _make_cluster(site: Site, programs: Path) -> None:
    """Makes the cluster, unless it is there.

    Raises:
        ServingError: it cannot be made.
    """
    if _version(site) is not None:
        return
    with whole_folder(_data(site)) as fresh:
        if user := _user():
            shutil.chown(fresh, user, pwd.getpwnam(user).pw_gid)
        initdb = ["--username", ADMIN, "--encoding", "UTF8", "--no-locale", "--data-checksums"]
        _say(programs / "initdb", *initdb, "--auth-local", "reject", "--auth-host", "scram-sha-256", "-D", str(fresh))
        statements = [f"ALTER ROLE {ADMIN} PASSWORD '{_new_password(site, ADMIN)}'"]
        for role in ROLES:
            statements.append(f"CREATE ROLE {role} LOGIN PASSWORD '{_new_password(site, role)}'")
            statements.append(f"CREATE DATABASE {role} OWNER {role}")
            statements.append(f"REVOKE ALL ON DATABASE {role} FROM PUBLIC")
        _alone(programs, fresh, NAME, statements)
        _alone(programs, fresh, "prefect", ["CREATE EXTENSION pg_trgm"])


def _new_password(site: Site, role: str) -> str:
    password = new_secret()
    write_bytes(passfile(site, role), f"{LOOPBACK}:*:*:{role}:{password}\n".encode(), mode=0o600)
    return password


def _alone(programs: Path, data: Path, database: str, statements: list[str]) -> None:
    """Runs SQL without a server, a statement a line; a faulty one is not repeated, for it may hold a password."""
    options = ["-c", "exit_on_error=on", "-c", "log_min_error_statement=panic"]
    said = "".join(f"{statement};\n" for statement in statements)
    _say(programs / "postgres", "--single", "-D", str(data), *options, database, said=said)


def _say(program: Path, *arguments: str, said: str = "") -> None:
    done = subprocess.run(
        [*as_user(_user()), str(program), *arguments],
        check=False,
        cwd="/",
        input=said,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        complaint = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise ServingError(f"postgres: the database cannot be made ({program.name}): {complaint}")
