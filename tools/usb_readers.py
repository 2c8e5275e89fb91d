"""pcscd over a USB that exists only for it (umockdev): readers are plugged in and out while it runs. For tests; tools/pcsc.mjs starts it.

    umockdev-wrapper python3 usb_readers.py FOLDER [PCSCD OPTION...]

Standard input, one command a line, each answered by `done`:

    in PORT BUS DEVICE TCP MODEL [SERIAL]   a reader at the USB port PORT (1-2.3), device DEVICE of bus BUS; its card is expected at TCP
    out PORT                                and is gone

Standard output begins with `ready PID SYSFS`: pcscd's process, and where its USB devices are to be seen. Ends pcscd when its input ends.
"""

import os
import subprocess
import sys
import time

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import UMockdev  # noqa: E402

CONTROLLER = "/devices/pci0000:00/0000:00:14.0"
READER = """P: {path}
N: {node}
E: DEVNAME=/dev/{node}
E: DEVTYPE=usb_device
E: SUBSYSTEM=usb
A: busnum={bus}
A: devnum={device}
A: devpath={devpath}
A: idVendor=1209
A: idProduct={model}
"""
INTERFACE = """P: {path}/{port}:1.0
E: DEVTYPE=usb_interface
E: SUBSYSTEM=usb
A: bInterfaceNumber=00
"""

folder = sys.argv[1]
bed = UMockdev.Testbed.new()
paths = {}


def hubs(port):
    """The devices between the controller and this port, each made when it is first needed; the path of the last one."""
    bus, ports = port.split("-")
    path = f"{CONTROLLER}/usb{bus}"
    sysfs = bed.get_root_dir() + "/sys"
    names = [f"usb{bus}"] + [f"{bus}-" + ".".join(ports.split(".")[:at]) for at in range(1, ports.count(".") + 1)]
    for at, name in enumerate(names):
        path = path if at == 0 else f"{path}/{name}"
        if not os.path.exists(sysfs + path):
            hub = f"P: {path}\nE: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\nA: busnum={bus}\nA: devnum={100 + at}\n"
            bed.add_from_string(hub)
    return path


def plug(port, bus, device, tcp, model, serial=None):
    node = f"bus/usb/{int(bus):03}/{int(device):03}"
    path = f"{hubs(port)}/{port}"
    with open(os.path.join(folder, f"{int(bus)}-{int(device)}"), "w", encoding="ascii") as file:
        file.write(tcp)
    text = READER.format(path=path, node=node, bus=bus, device=device, devpath=port.split("-")[1], model=model)
    bed.add_from_string(text + ("" if serial is None else f"A: serial={serial}\n"))
    bed.add_from_string(INTERFACE.format(path=path, port=port))
    paths[port] = path


def unplug(port):
    path = paths.pop(port)
    # The node first: a driver that is asked in between finds its device gone, as it would.
    bed.uevent(f"/sys{path}/{port}:1.0", "remove")
    bed.remove_device(f"/sys{path}/{port}:1.0")
    bed.remove_device(f"/sys{path}")


def main():
    environment = {
        **os.environ,
        "UMOCKDEV_DIR": bed.get_root_dir(),
        "PERSOLINE_READERS": folder,
    }
    pcscd = subprocess.Popen(
        ["pcscd", "--foreground", *sys.argv[2:]],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not os.path.exists("/run/pcscd/pcscd.comm"):
        if pcscd.poll() is not None:
            raise SystemExit("pcscd does not start")
        time.sleep(0.02)
    print(f"ready {pcscd.pid} {bed.get_root_dir()}/sys/bus/usb/devices", flush=True)
    try:
        for line in sys.stdin:
            command, *words = line.split()
            (plug if command == "in" else unplug)(*words)
            print("done", flush=True)
    finally:
        pcscd.terminate()
        pcscd.wait()


main()
