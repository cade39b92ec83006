"""What each binary is made of: one bill of materials in CycloneDX's format each, by cargo-cyclonedx. Arguments: a folder, then binaries.

cargo-cyclonedx writes beside the sources of every package and names their folder, so it runs in a copy, whose path is taken out again.
It asks cargo about the whole workspace, so it lists what only other members and tests bring in; cargo's tree of the package says what stays.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOT_SOURCES = shutil.ignore_patterns(".git", ".aws-sam", ".venv", "target")
TARGET = "x86_64-unknown-linux-gnu"
COMMAND = [
    "cargo-cyclonedx", "cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5", "--describe", "binaries", "--no-build-deps",
    "--target", TARGET,
]
# The package of a binary that is not named like it.
PACKAGES = {"sigma": "sigma-cli"}


def write(out, binaries):
    """Writes NAME.cdx.json for each binary."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary).resolve() / "sigma"
        shutil.copytree(ROOT, copy, ignore=NOT_SOURCES)
        subprocess.run(COMMAND, cwd=copy, check=True)
        for name in binaries:
            [bill] = copy.glob(f"*/*/{name}_bin.cdx.json")
            document = json.loads(bill.read_text().replace(str(copy), "/sigma"))
            (out / f"{name}.cdx.json").write_text(json.dumps(within(document, packages_of(name)), indent=2) + "\n")


def packages_of(binary):
    """Name and version of every package that a binary is linked from, or that a macro of its comes from."""
    tree = ["cargo", "tree", "--package", PACKAGES.get(binary, binary), "--edges", "normal", "--target", TARGET, "--prefix", "none"]
    lines = subprocess.run(tree, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return {tuple(line.replace(" v", " ").split()[:2]) for line in lines if line}


def within(document, packages):
    """The bill with these components alone."""
    components = [part for part in document["components"] if (part["name"], part["version"]) in packages]
    kept = {part["bom-ref"] for part in [*components, document["metadata"]["component"]]}
    dependencies = [
        entry | {"dependsOn": [ref for ref in entry["dependsOn"] if ref in kept]} if "dependsOn" in entry else entry
        for entry in document["dependencies"] if entry["ref"] in kept
    ]
    return document | {"components": components, "dependencies": dependencies}


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2:])
