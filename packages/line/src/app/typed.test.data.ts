/** The command line at a terminal of its own (a pseudo-terminal of Python's), for tests of what people are asked and shown. */
import { spawnSync } from "node:child_process";
import { program } from "./command.test.data.js";

/**
 * Runs words with a terminal of its own: for each `[wait, type]` it waits until the terminal shows the one and types the other ("TERM" is a
 * signal). Tells what was shown, how it ended, and whether the terminal echoes and reads lines afterwards.
 */
const driver = `
import fcntl, json, os, pty, select, signal, subprocess, sys, termios, time
words, steps = json.loads(sys.argv[1]), json.loads(sys.argv[2])
master, slave = pty.openpty()
before = termios.tcgetattr(slave)
def own():
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
child = subprocess.Popen(words, stdin=slave if "--stdin" in sys.argv else subprocess.DEVNULL, stdout=slave, stderr=slave, preexec_fn=own)
shown, at, end, during = b"", 0, time.time() + 50, []
while time.time() < end:
    ready, _, _ = select.select([master], [], [], 0.05)
    if ready:
        shown += os.read(master, 4096)
    elif child.poll() is not None:
        break
    if steps and steps[0][0].encode() in shown[at:]:
        wait, send = steps.pop(0)
        at = len(shown)
        time.sleep(0.1)
        during.append(bool(termios.tcgetattr(slave)[3] & termios.ECHO))
        if send == "TERM":
            child.send_signal(signal.SIGTERM)
        else:
            os.write(master, send.encode())
else:
    child.kill()
after = termios.tcgetattr(slave)
print(json.dumps({"shown": shown.decode(), "status": child.wait(), "left": len(steps), "during": during, "same": before == after}))
`;

export interface Seen {
  readonly shown: string;
  readonly status: number;
  /** Steps that never came. */
  readonly left: number;
  /** Whether the terminal echoed at each question. */
  readonly during: readonly boolean[];
  /** The terminal's settings are those of before. */
  readonly same: boolean;
}

/** Throws when the driver itself fails. */
export function typed(
  words: readonly string[],
  steps: readonly (readonly [wait: string, type: string])[],
  {
    env = {},
    stdin = false,
  }: { readonly env?: Readonly<Record<string, string>>; readonly stdin?: boolean } = {},
): Seen {
  const whole = [process.execPath, program, ...words];
  const args = ["-c", driver, JSON.stringify(whole), JSON.stringify(steps), ...(stdin ? ["--stdin"] : [])];
  const { stdout, stderr } = spawnSync("python3", args, {
    encoding: "utf8",
    env: { PATH: "/usr/bin:/bin", ...env },
  });
  if (stderr !== "") throw new Error(stderr);
  return JSON.parse(stdout) as Seen;
}
