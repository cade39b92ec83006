"""The licences of what the binaries are linked from, in one file: each text once, with the packages that it is for. Arguments: a file, then
binaries.

A package without a text is listed with the licence that its manifest names.
"""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from sbom import ROOT, TARGET, packages_of

NAMES = ("license", "licence", "copying", "notice", "unlicense")
RULE = "\n" + "=" * 120 + "\n\n"
# What is linked and is no package of cargo's.
STANDARD_LIBRARY = "Rust's standard library: Apache-2.0 OR MIT\n"


def write(out, binaries):
    """Writes the texts of everything in these binaries that others wrote."""
    linked = set().union(*map(packages_of, binaries))
    out.write_text(document([package for package in packages() if (package["name"], package["version"]) in linked]))


def packages():
    """What cargo knows of every package from elsewhere."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET]
    found = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    return [package for package in found["packages"] if package["source"]]


def document(packages):
    users, without = defaultdict(list), [STANDARD_LIBRARY]
    for package in sorted(packages, key=lambda package: (package["name"], package["version"])):
        name, texts = f"{package['name']} {package['version']}", texts_of(Path(package["manifest_path"]).parent)
        for text in texts:
            users[text].append(name)
        if not texts:
            without.append(f"{name}: {package['license']}\n")
    sections = [f"{', '.join(names)}\n\n{text}\n" for text, names in users.items()]
    return RULE.join([*sections, "Without a text of their own:\n\n" + "".join(without)])


def texts_of(folder):
    """The different texts in a package's folder."""
    files = sorted(file for file in folder.iterdir() if file.name.lower().startswith(NAMES) and file.is_file())
    return list(dict.fromkeys(file.read_text(errors="replace").strip() for file in files))


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2:])
