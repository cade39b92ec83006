"""Whether the binaries that sam build left are of the instruction set that the template asks Lambda for.

sam build and sam deploy each read the parameter Architecture for themselves. If they read different values, the deployment succeeds and no
function starts.
"""

import struct

# Machine numbers of the ELF specification, by Lambda's name.
MACHINES = {"x86_64": 62, "arm64": 183}
MAGIC = b"\x7fELF"
LITTLE_ENDIAN = 1
# The machine is a half word, after 16 bytes of identification and the type of the file.
BYTE_ORDER_AT, MACHINE_AT = 5, 18


def machine_of(binary):
    """The machine number of an ELF file; an error says what else the bytes are."""
    if not binary.startswith(MAGIC) or len(binary) < MACHINE_AT + 2:
        raise ValueError(f"not an ELF file: it begins with {binary[:8]!r}")
    if binary[BYTE_ORDER_AT] != LITTLE_ENDIAN:
        raise ValueError("an ELF file of big-endian byte order, which Lambda does not run")
    return struct.unpack_from("<H", binary, MACHINE_AT)[0]


def mismatch(binary, architecture):
    """What is wrong with a binary for a function of this architecture, or None."""
    machine = machine_of(binary)
    if machine == MACHINES[architecture]:
        return None
    built = {number: name for name, number in MACHINES.items()}.get(machine, f"ELF machine {machine}")
    return f"built for {built}, deployed as {architecture}: give sam build and sam deploy the same Architecture"
