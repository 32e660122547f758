"""A package of Debian, downloaded and unpacked without root and without installing it."""

from dataclasses import dataclass
from pathlib import Path

from components.fetch.dataset import DataFile
from components.fetch.origins.program import command
from components.files import write_text

# The private lists make this work where `apt-get update` was never run; the hooks would write outside the folder.
APT_CONFIGURATION = """
Dir::State "{folder}/state";
Dir::State::Lists "{folder}/lists";
Dir::Cache "{folder}/cache";
Acquire::Languages "none";
Acquire::Retries "0";
Acquire::http::Timeout "10";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


@dataclass(frozen=True)
class DebianPackage:
    """A package whose signature apt checks, and the folder in it where the files lie."""

    package: str
    folder: str

    @property
    def name(self) -> str:
        """The package."""
        return f"Debian's package {self.package}"

    def bring(self, files: tuple[DataFile, ...], scratch: Path) -> Path:
        """See :meth:`components.fetch.dataset.Origin.bring`."""
        for name in ("lists/partial", "state", "cache/archives/partial"):
            (scratch / name).mkdir(parents=True)
        configuration = scratch / "apt.conf"
        write_text(configuration, APT_CONFIGURATION.format(folder=scratch.resolve()))
        apt = ["apt-get", "--quiet=2", f"--config-file={configuration.resolve()}"]
        command([*apt, "update"], scratch)
        command([*apt, "download", self.package], scratch)
        archive = next(scratch.glob("*.deb"))
        command(["dpkg-deb", "--extract", archive.name, "content"], scratch)
        return scratch / "content" / self.folder
