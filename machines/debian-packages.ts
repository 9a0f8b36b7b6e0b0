import { accessSync, constants, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { OperatorError, exitCodes } from "../site/operator-error.ts";

/** Something this computer must have: a command (or the absolute path of a file), and the package that brings it. */
export interface DebianNeed {
  command: string;
  package: string;
}

/** What is known of the operator's computer before anything is installed on it. */
export interface OperatorComputer {
  root: boolean;
  /** Debian, or something made of it, such as Ubuntu. */
  debian: boolean;
}

export type PackagePlan =
  { kind: "nothing" } | { kind: "install"; packages: string[] } | { kind: "ask"; error: OperatorError };

// As sudo has it: on Debian an ordinary user's PATH lacks the sbin folders.
const systemFolders = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];
const lockFile = "/run/lock/recovery-stack-packages.lock";
const waitForLockSeconds = 300;

/** PATH with the system folders added, for commands that are started on the operator's computer. */
export function pathWithSystemFolders(path = process.env["PATH"] ?? ""): string {
  return [...new Set([...path.split(delimiter).filter(Boolean), ...systemFolders])].join(delimiter);
}

/** Decides what is done about missing packages. */
export function planPackages(missing: readonly DebianNeed[], computer: OperatorComputer): PackagePlan {
  if (missing.length === 0) return { kind: "nothing" };
  const packages = [...new Set(missing.map((need) => need.package))].sort();
  if (computer.root && computer.debian) return { kind: "install", packages };
  const commands = missing.map((need) => need.command).join(", ");
  return {
    kind: "ask",
    error: new OperatorError(
      exitCodes.missingHere,
      `missing on this computer: ${commands}`,
      computer.debian
        ? "installing packages needs root, and this command runs as an ordinary user"
        : "this computer is neither Debian nor Ubuntu, so it is not known how packages are installed here",
      computer.debian
        ? `run: sudo apt-get install -y ${packages.join(" ")}`
        : `install what Debian calls ${packages.join(", ")} (there: sudo apt-get install -y ${packages.join(" ")})`,
    ),
  };
}

/** Whether os-release describes Debian or a system made of it. */
export function isDebianLike(osRelease: string): boolean {
  return /^(ID|ID_LIKE)="?([a-z ]* )?debian( [a-z ]*)?"?$/m.test(osRelease);
}

/**
 * Installs what is missing, when root on Debian or Ubuntu.
 * @throws OperatorError exit code 3, with the exact line to run, when it cannot.
 */
export async function ensureDebianPackages(
  needs: readonly DebianNeed[],
  say: (line: string) => void,
): Promise<void> {
  const plan = planPackages(missingOf(needs), thisComputer());
  if (plan.kind === "nothing") return;
  if (plan.kind === "ask") throw plan.error;
  say(`installing from Debian what is missing on this computer: ${plan.packages.join(" ")}`);
  // Two at once: apt's own lock on the package lists does not wait, so this one is taken around both commands.
  const result = await execa("flock", [lockFile, "bash", "-c", installScript, "install", ...plan.packages], {
    env: { DEBIAN_FRONTEND: "noninteractive", NEEDRESTART_MODE: "a", PATH: pathWithSystemFolders() },
    stdin: "ignore",
    all: true,
    reject: false,
  });
  const still = missingOf(needs);
  if (result.failed || still.length > 0) {
    throw new OperatorError(
      exitCodes.missingHere,
      `could not install ${plan.packages.join(" ")}`,
      lastLines(result.all, 3) || `still missing: ${still.map((need) => need.command).join(", ")}`,
      `run: sudo apt-get update; sudo apt-get install -y ${plan.packages.join(" ")}`,
    );
  }
}

// A list that cannot be fetched (a third party's repository) is no reason to stop: only the installation counts.
const installScript = `
set -u
deadline=$((SECONDS + ${waitForLockSeconds}))
# What was cut off, as by a reboot, is brought to its end: apt-get refuses to do anything before.
dpkg --configure -a >/dev/null 2>&1 || true
until output=$(apt-get update 2>&1) || [[ $output != *"Could not get lock"* ]] || ((SECONDS > deadline)); do sleep 1; done
exec apt-get -o DPkg::Lock::Timeout=${waitForLockSeconds} install -y --no-install-recommends "$@"
`;

function missingOf(needs: readonly DebianNeed[]): DebianNeed[] {
  const folders = pathWithSystemFolders().split(delimiter);
  return needs.filter(({ command }) =>
    command.startsWith("/")
      ? !canAccess(command, constants.R_OK)
      : !folders.some((folder) => canAccess(join(folder, command), constants.X_OK)),
  );
}

function canAccess(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

function thisComputer(): OperatorComputer {
  let osRelease = "";
  try {
    osRelease = readFileSync("/etc/os-release", "utf8");
  } catch {
    // No such file: not a Debian.
  }
  return { root: process.getuid?.() === 0, debian: isDebianLike(osRelease) };
}

function lastLines(text: string, count: number): string {
  return text.trim().split("\n").slice(-count).join("; ");
}
