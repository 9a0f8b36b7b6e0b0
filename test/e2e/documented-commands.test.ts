import { mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  besides,
  needed,
  recoveryHost,
  trustAnAuthority,
  visit,
  type RecoveryHost,
} from "./recovery-host.ts";
import { typed } from "./typed.ts";

/** The command lines of the documentation that no other test has a use for. */

describe("with what a clone holds and nothing else", { timeout: 600_000 }, () => {
  const repository = fileURLToPath(new URL("../../", import.meta.url));
  let directory: string;
  let clone: string;

  const carriedOut = (line: string) =>
    execa("bash", ["-c", line], {
      cwd: clone,
      env: { XDG_STATE_HOME: join(directory, "state"), CI: "true" },
      stdin: "ignore",
      all: true,
      reject: false,
    });

  beforeAll(async () => {
    await needed();
    directory = await mkdtemp(join(tmpdir(), "documented-commands-"));
    clone = join(directory, "clone");
    await mkdir(clone);
    const copy =
      "git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -xf - -C";
    await execa("bash", ["-o", "pipefail", "-c", `${copy} "$0"`, clone], { cwd: repository });
    // What `npm ci` makes; continuous integration begins with that.
    await symlink(join(repository, "node_modules"), join(clone, "node_modules"));
  });
  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  test("the sample is brought back", async () => {
    // With the packages baked in it is the same, and takes a quarter of the time.
    const { exitCode, all } = await carriedOut(`${typed("npm run drill")} -- --baked --watch 0s`);
    expect(all).toMatch(/^recovered chatbot from full_backup_\d{8}_\d{6} in /m);
    expect(exitCode).toBe(0);
    expect((await carriedOut("npx recovery --help")).all).toContain("Usage: recovery ");
  });

  test("what is generated is as it stands, and so is the schema that is printed", async () => {
    const generated = () =>
      Promise.all(
        ["site.md", "drill.md", "site.schema.json", "run.schema.json"].map((name) =>
          readFile(join(clone, "docs", name), "utf8"),
        ),
      );
    const before = await generated();
    const { exitCode, all } = await carriedOut(typed("npm run generate"));
    expect(exitCode, all).toBe(0);
    expect(await generated()).toEqual(before);
    await carriedOut(typed("npx recovery config schema > site.schema.json"));
    expect(JSON.parse(await readFile(join(clone, "site.schema.json"), "utf8"))).toEqual(
      JSON.parse(before[2] ?? ""),
    );
  });
});

describe("in the night", { timeout: 600_000 }, () => {
  let host: RecoveryHost;
  let own: Record<string, string>;
  const options = [...besides, "--yes"].join(" ");

  beforeAll(async () => {
    host = await recoveryHost();
    await trustAnAuthority(host);
    own = { "192.0.2.10": host.machine.address };
  });
  afterAll(async () => {
    await host.close();
  });

  test("a key that is loaded into an agent is all that a rebuild without Pulumi needs", async () => {
    const home = join(host.directory, "home");
    await mkdir(join(home, ".ssh"), { recursive: true });
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(home, ".ssh/id_ed25519")]);
    const key = (await readFile(join(home, ".ssh/id_ed25519.pub"), "utf8")).trim();
    await host.onHost(`echo '${key}' >>/root/.ssh/authorized_keys`);
    const rebuild = typed(
      'npx recovery rebuild --site site.yaml --host root@192.0.2.10 --host-key "ssh-ed25519 AAAA…" --without-pulumi',
      { ...own, "ssh-ed25519 AAAA…": host.machine.hostKey },
    );
    const { exitCode, all } = await execa(
      "bash",
      [
        "-c",
        `${typed('eval "$(ssh-agent)" && ssh-add ~/.ssh/id_ed25519')} && ${rebuild} ${options}; ended=$?; kill "$SSH_AGENT_PID"; exit "$ended"`,
      ],
      {
        cwd: host.directory,
        env: { ...host.environment, SSH_AUTH_SOCK: undefined, HOME: home, CI: "true" },
        stdin: "ignore",
        all: true,
        reject: false,
      },
    );
    expect(all).toMatch(/^recovered chatbot from full_backup_\d{8}_\d{6} in /m);
    expect(exitCode).toBe(0);
  });

  test.each([
    [typed("tail -F /var/lib/recovery/logs/*.log"), "^==> /var/lib/recovery/logs/.*[.]log <==$"],
    [typed("journalctl -f -u 'recovery-*'"), " systemd\\[1\\]: .*recovery-"],
  ])("%s shows what the steps did", async (line, shown) => {
    // It follows without end: such a line is waited for.
    expect(await host.onHost(`exec 3< <(exec ${line}); grep -m 1 -E '${shown}' <&3; kill $!`)).not.toBe("");
  });

  test("what another restore replaces is named in its logs, and can be removed", async () => {
    await visit(host);
    const again = typed(
      "npx recovery rebuild --site site.yaml --host root@192.0.2.10 --again 192.0.2.10 --point full_backup_20261123_190739",
      { ...own, full_backup_20261123_190739: basename(host.sample.archive, ".tar.gz") },
    );
    const { exitCode, all } = await execa("bash", ["-c", `${again} ${options} --without-pulumi`], {
      cwd: host.directory,
      env: { ...host.environment, CI: "true" },
      stdin: "ignore",
      all: true,
      reject: false,
    });
    expect(exitCode, all).toBe(0);
    expect(await host.onHost(typed("grep -h '^set aside' /var/lib/recovery/logs/*.log"))).toMatch(
      /^set aside: \/var\/www\/chatbot is now \/var\/lib\/recovery\/replaced\//m,
    );
    await host.onHost(typed("rm -r /var/lib/recovery/replaced"));
    expect(await host.onHost("ls /var/lib/recovery")).not.toContain("replaced");
  });
});
