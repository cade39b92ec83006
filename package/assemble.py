"""Built binaries → a folder that deploys without Rust: functions and model as archives, and the template that takes them from a bucket.

The same files give the same bytes. Archives are named by their contents, so that a stack update notices new code.
"""

import argparse
import hashlib
import re
import shutil
import tomllib
import zipfile
from pathlib import Path

from bucket_template import packaged

ROOT = Path(__file__).resolve().parents[1]
# The oldest time that an archive can hold.
ARCHIVE_TIME = (1980, 1, 1, 0, 0, 0)
UNIX = 3
# What Lambda's runtime provided.al2023 has. A function that needs a newer one does not start; `sigma` is to run on as old systems.
GLIBC_OF_LAMBDA = (2, 34)
# Characters of a checksum that make a name unique among one's own releases.
NAME_DIGITS = 12


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to create, or to create again")
    parser.add_argument("--function", nargs=2, action="append", required=True, metavar=("NAME", "BINARY"))
    parser.add_argument("--file", type=Path, action="append", default=[], help="what else belongs to the package")
    arguments = parser.parse_args()
    binaries = {name: Path(binary) for name, binary in arguments.function}
    assemble(arguments.out, binaries, arguments.file)


def assemble(out, binaries, files=()):
    """Writes the package: functions from `binaries` by name, the folder model/, the template, and `files` as they are."""
    if out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True)
    for path in [*binaries.values(), *files]:
        check_glibc(path)
    archives = {name: archive(out, name, {"bootstrap": (binary.read_bytes(), 0o755)}) for name, binary in binaries.items()}
    model = archive(out, "model", {path.name: (path.read_bytes(), 0o644) for path in model_files()})
    template = packaged((ROOT / "template.yaml").read_text(), archives, model, f"sigma-{version()}/")
    (out / "template.yaml").write_text(template)
    for path in [ROOT / "samconfig.toml", ROOT / "LICENSE", ROOT / "package/README.md", *files]:
        shutil.copy(path, out)
    write_checksums(out)


def model_files():
    return sorted(path for path in (ROOT / "model").iterdir() if path.is_file() and not path.name.startswith("."))


def check_glibc(path):
    """Fails for a binary that a function of Lambda could not load."""
    needed = glibc_of(path.read_bytes())
    if needed and needed > GLIBC_OF_LAMBDA:
        raise SystemExit(f"{path} needs glibc {dotted(needed)}, and Lambda has {dotted(GLIBC_OF_LAMBDA)}: build it with cargo lambda")


def archive(out, name, members):
    """Writes an archive of (bytes, mode) by name. Returns its file name."""
    path = out / f"{name}.zip"
    with zipfile.ZipFile(path, "w") as file:
        for member, (content, mode) in members.items():
            entry = zipfile.ZipInfo(member, ARCHIVE_TIME)
            entry.create_system, entry.external_attr = UNIX, mode << 16
            file.writestr(entry, content, zipfile.ZIP_DEFLATED, compresslevel=9)
    return path.rename(out / f"{name}-{checksum(path)[:NAME_DIGITS]}.zip").name


def glibc_of(binary):
    """The newest version of glibc that a binary asks for, if any."""
    asked = re.findall(rb"\0GLIBC_(\d+)\.(\d+)", binary)
    return max(((int(major), int(minor)) for major, minor in asked), default=None)


def dotted(number):
    return ".".join(map(str, number))


def version():
    """The version of the workspace."""
    return tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]


def checksum(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_checksums(out):
    """As sha256sum writes and checks them."""
    lines = [f"{checksum(path)}  {path.name}\n" for path in sorted(out.iterdir())]
    (out / "SHA256SUMS").write_text("".join(lines))


if __name__ == "__main__":
    main()
