"""What each binary is made of: one bill of materials in CycloneDX's format each, by cargo-cyclonedx. Arguments: a folder, then binaries.

cargo-cyclonedx writes beside the sources of every package and names their folder, so it runs in a copy, whose path is taken out again.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOT_SOURCES = shutil.ignore_patterns(".git", ".aws-sam", "target")
COMMAND = [
    "cargo", "cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5", "--describe", "binaries", "--no-build-deps",
    "--target", "x86_64-unknown-linux-gnu",
]


def write(out, binaries):
    """Writes NAME.cdx.json for each binary."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary).resolve() / "sigma"
        shutil.copytree(ROOT, copy, ignore=NOT_SOURCES)
        subprocess.run(COMMAND, cwd=copy, check=True)
        for name in binaries:
            [bill] = copy.glob(f"*/*/{name}_bin.cdx.json")
            (out / f"{name}.cdx.json").write_text(bill.read_text().replace(str(copy), "/sigma"))


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2:])
