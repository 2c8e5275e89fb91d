"""Starts Debian's `vicc` (vsmartcard-vpicc 3.3) on a Python for which it was not made: its modules lie in a folder that Python does not
search, and its cryptography goes by the name of an older package. Arguments are those of vicc, and `--terminable` before them: a card
that knows TERMINATE DF (ISO/IEC 7816-9), which vicc does not; afterwards it answers 6285 to everything."""

import runpy
import sys

sys.path.insert(0, "/usr/lib/python3/site-packages/virtualsmartcard")
import Cryptodome  # noqa: E402

sys.modules["Crypto"] = Cryptodome

if sys.argv[1:2] == ["--terminable"]:
    del sys.argv[1]
    from virtualsmartcard.VirtualSmartcard import Iso7816OS  # noqa: E402

    known = Iso7816OS.execute

    def execute(self, apdu):
        if getattr(self, "terminated", False):
            return b"\x62\x85"
        if apdu[1] == 0xE6:
            self.terminated = True
            return b"\x90\x00"
        return known(self, apdu)

    Iso7816OS.execute = execute

runpy.run_path("/usr/bin/vicc", run_name="__main__")
