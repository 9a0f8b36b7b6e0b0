import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import {
  ensureDebianPackages,
  isDebianLike,
  pathWithSystemFolders,
  planPackages,
} from "../../../machines/debian-packages.ts";

const missing = [
  { command: "systemd-nspawn", package: "systemd-container" },
  { command: "iptables", package: "iptables" },
  { command: "ip6tables", package: "iptables" },
];

describe("what is missing on the operator's computer", () => {
  it("is nothing when every command and file is there", async () => {
    const said: string[] = [];
    await ensureDebianPackages(
      [
        { command: "sh", package: "no-such-package" },
        { command: "/etc/passwd", package: "no-such-package" },
      ],
      (line) => said.push(line),
    );
    expect(said).toEqual([]);
  });

  it("is installed by root on Debian, each package once", () => {
    expect(planPackages(missing, { root: true, debian: true })).toEqual({
      kind: "install",
      packages: ["iptables", "systemd-container"],
    });
    expect(planPackages([], { root: false, debian: false })).toEqual({ kind: "nothing" });
  });

  it.skipIf(process.getuid?.() !== 0)(
    "is installed although an installation before was cut off, which is brought to its end first",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "debian-"));
      const shim = (name: string, script: string) => {
        writeFileSync(join(folder, name), `#!/bin/bash\ncd '${folder}'\n${script}\n`, { mode: 0o755 });
      };
      // As the two are after a reboot in the middle of an installation.
      shim("dpkg", `[[ "$*" == "--configure -a" ]] && touch mended`);
      shim(
        "apt-get",
        `[[ -e mended ]] || { echo "E: dpkg was interrupted"; exit 100; }; [[ $* != *install* ]] || touch wanted`,
      );
      vi.stubEnv("PATH", `${folder}:${process.env["PATH"] ?? ""}`);
      try {
        await ensureDebianPackages([{ command: join(folder, "wanted"), package: "wanted" }], () => undefined);
      } finally {
        vi.unstubAllEnvs();
        rmSync(folder, { recursive: true });
      }
    },
  );

  it("is a line to run for anybody else, with exit code 3", () => {
    for (const computer of [
      { root: false, debian: true },
      { root: true, debian: false },
    ]) {
      const plan = planPackages(missing, computer);
      expect(plan.kind).toBe("ask");
      if (plan.kind !== "ask") continue;
      expect(plan.error.exitCode).toBe(3);
      expect(plan.error.next).toContain("sudo apt-get install -y iptables systemd-container");
    }
  });

  it("is Debian's business on Debian and on what is made of it", () => {
    expect(isDebianLike('NAME="Debian"\nID=debian\n')).toBe(true);
    expect(isDebianLike("ID=ubuntu\nID_LIKE=debian\n")).toBe(true);
    expect(isDebianLike('ID=linuxmint\nID_LIKE="ubuntu debian"\n')).toBe(true);
    expect(isDebianLike("ID=fedora\n")).toBe(false);
    expect(isDebianLike('ID=fedora\nNAME="not debian"\n')).toBe(false);
  });

  it("is looked for in the system folders too, which an ordinary PATH lacks", () => {
    expect(pathWithSystemFolders("/usr/bin:/opt/bin").split(":")).toEqual(
      expect.arrayContaining(["/usr/bin", "/opt/bin", "/usr/sbin", "/sbin"]),
    );
  });
});
