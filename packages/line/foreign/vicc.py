"""Starts Debian's `vicc` (vsmartcard-vpicc 3.3) on a Python for which it was not made: its modules lie in a folder that Python does not
search, and its cryptography goes by the name of an older package. Arguments are those of vicc."""

import runpy
import sys

sys.path.insert(0, "/usr/lib/python3/site-packages/virtualsmartcard")
import Cryptodome  # noqa: E402

sys.modules["Crypto"] = Cryptodome
runpy.run_path("/usr/bin/vicc", run_name="__main__")
