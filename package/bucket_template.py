"""template.yaml, edited to deploy archives from a bucket. The edits are on the text, so that its comments stay, and each has to apply."""

import re

# The only instruction set that is packaged.
ARCHITECTURE = "x86_64"

PARAMETERS = """
  # Package.
  CodeBucket:
    {Type: String, AllowedPattern: '[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]', ConstraintDescription: must be the name of a bucket,
     Description: "Bucket that the package was copied to, in the region of the stack."}
  CodePrefix:
    {Type: String, Default: PREFIX, AllowedPattern: '([^/].*/)?', ConstraintDescription: must be empty or end with a slash,
     Description: "Folder of the package in CodeBucket, with a slash at its end. Empty: the bucket itself."}
  ModelArchive:
    {Type: String, Default: '', AllowedPattern: '([^/].*\\.zip)?', ConstraintDescription: must be empty or the key of a zip file,
     Description: "Key in CodeBucket of an archive with the files of Population and Model. A changed one needs another key. Empty: the package's."}
"""
CONDITION = """
  HasModelArchive: !Not [!Equals [!Ref ModelArchive, '']]
"""
GROUP = """
      - Label: {default: Package}
        Parameters: [CodeBucket, CodePrefix, ModelArchive]
"""


def packaged(text, archives, model, prefix):
    """The template with the code of each function in the archive of its name, and the model in another, below a prefix of the bucket."""
    for old, new in [
        ("\nParameters:\n", "\nParameters:" + PARAMETERS.replace("PREFIX", prefix)),
        ("\nConditions:\n", f"\nConditions:{CONDITION}"),
        ("    ParameterGroups:\n", f"    ParameterGroups:{GROUP}"),
        ("AllowedValues: [x86_64, arm64]", f"AllowedValues: [{ARCHITECTURE}]"),
        ("Give sam build and sam deploy the same, or no function starts.", "The packaged ones are built for no other."),
        ("      ContentUri: model\n", f"      ContentUri: {in_bucket(f'!If [HasModelArchive, !Ref ModelArchive, {in_prefix(model)}]')}\n"),
    ]:
        text = replaced(text, re.escape(old), lambda _, new=new: new, 1)
    text = replaced(text, r"(?<= )in model/(?= )", lambda _: "in ModelArchive", 5)
    text = replaced(text, r"      BuildMethod: \S+\n      BuildProperties: .+\n", lambda _: "", len(archives))
    return replaced(text, r"CodeUri: functions/(\w+)\n", lambda found: f"CodeUri: {in_bucket(in_prefix(archives[found[1]]))}\n", len(archives))


def in_bucket(key):
    return f"{{Bucket: !Ref CodeBucket, Key: {key}}}"


def in_prefix(name):
    return f"!Sub '${{CodePrefix}}{name}'"


def replaced(text, pattern, new, times):
    """The text with a pattern replaced; an error if it is not there as often as expected."""
    text, found = re.subn(pattern, new, text)
    if found != times:
        raise ValueError(f"template.yaml has {pattern!r} {found} times, and not {times}")
    return text
