"""`python -I -S tied_program.py PARENT COMMAND ...`: become COMMAND, which the kernel kills when PARENT ends.

`child_process.py` starts programs in this way. Little is imported here, since every start pays for it.
"""

import os
import sys


def end_with(parent: int) -> None:
    """Make the kernel end this process, and the program it becomes, when `parent`, which started it, ends.

    Linux only; elsewhere nothing is done.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    set_pdeathsig, sigkill = 1, 9
    ctypes.CDLL(None).prctl(set_pdeathsig, sigkill, 0, 0, 0)
    if os.getppid() != parent:  # the parent ended before the request
        os._exit(1)


if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
