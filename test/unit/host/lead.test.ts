import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";

const host = new URL("../../../host/", import.meta.url).pathname;
const byUrl = { connection: { url: "DATABASE_URL" } };
const byHost = { connection: { host: "DB_HOST", password: "DB_PASSWORD" } };

/** What becomes of an environment file that is to lead to an address; why it is refused, when it stays as it is. */
function led(connection: object, before: string, address = "10.0.0.6"): string {
  const folder = mkdtempSync(join(tmpdir(), "lead-"));
  try {
    const file = join(folder, ".env");
    writeFileSync(file, before);
    chmodSync(file, 0o640);
    const database = { kind: "postgresql", name: "club", role: "club", database: "club", ...connection };
    const request = join(folder, "request.json");
    writeFileSync(request, JSON.stringify({ databases: [database] }));
    const script = `
      for part in given environment databases; do . "${host}$part.sh"; done
      take_given . "$1"; rm "$1"; database=databases.0
      postgresql_lead "$2" "$3"`;
    const { status, stdout } = spawnSync(
      "bash",
      [...["-euo", "pipefail", "-c", script, "bash"], ...[request, file, address]],
      { encoding: "utf8" },
    );
    expect((statSync(file).mode & 0o777).toString(8)).toBe("640");
    expect(execFileSync("ls", ["-A", folder], { encoding: "utf8" })).toBe(".env\n");
    const after = readFileSync(file, "utf8");
    if (status === 0) return after;
    expect(after).toBe(before);
    return `refused: ${stdout.trim()}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test.each<[string, object, string, string]>([
  ["a host", byHost, "A=1\nDB_HOST=10.0.0.5\nDB_PASSWORD=x\n", "A=1\nDB_HOST=10.0.0.6\nDB_PASSWORD=x\n"],
  [
    "a host in quotes, with a comment",
    byHost,
    `export DB_HOST = "db.internal" # the old one\nDB_PASSWORD=x`,
    `export DB_HOST = "10.0.0.6" # the old one\nDB_PASSWORD=x`,
  ],
  [
    "a host in a file from Windows",
    byHost,
    "\ufeffDB_HOST='10.0.0.5'\r\nDB_PASSWORD=é\r\n",
    "\ufeffDB_HOST='10.0.0.6'\r\nDB_PASSWORD=é\r\n",
  ],
  [
    "a host that is given twice",
    byHost,
    "DB_HOST=10.0.0.4\nDB_HOST=10.0.0.5\nDB_HOST_OLD=10.0.0.5\n#DB_HOST=10.0.0.5\nDB_PASSWORD=x\n",
    "DB_HOST=10.0.0.6\nDB_HOST=10.0.0.6\nDB_HOST_OLD=10.0.0.5\n#DB_HOST=10.0.0.5\nDB_PASSWORD=x\n",
  ],
  ["a host that is the right one", byHost, "DB_HOST=10.0.0.6\n", "DB_HOST=10.0.0.6\n"],
  [
    "a URL",
    byUrl,
    "DATABASE_URL=postgres://club:p%40ss@10.0.0.5:5432/club?sslmode=require\n",
    "DATABASE_URL=postgres://club:p%40ss@10.0.0.6:5432/club?sslmode=require\n",
  ],
  [
    "a URL with another @ behind it",
    byUrl,
    "DATABASE_URL=postgres://club:x@10.0.0.5/club?a=b@c/d\n",
    "DATABASE_URL=postgres://club:x@10.0.0.6/club?a=b@c/d\n",
  ],
  [
    "a URL in quotes, of an address in brackets",
    byUrl,
    `DATABASE_URL="postgresql://club:p@ss@[fd00::5]/club"\n`,
    `DATABASE_URL="postgresql://club:p@ss@10.0.0.6/club"\n`,
  ],
])(
  "an environment file names another address, and nothing else in it changes: %s",
  (_, how, before, after) => {
    expect(led(how, before)).toBe(after);
  },
);

test("an IPv6 address stands in brackets in a URL, and without them as a host", () => {
  expect(led(byUrl, "DATABASE_URL=postgres://club:x@10.0.0.5/club\n", "fd00::6")).toBe(
    "DATABASE_URL=postgres://club:x@[fd00::6]/club\n",
  );
  expect(led(byHost, "DB_HOST=10.0.0.5\n", "fd00::6")).toBe("DB_HOST=fd00::6\n");
});

test.each<[string, object, string]>([
  ["it does not name the variable", byHost, "DB_PASSWORD=x\n"],
  ["it is empty", byHost, "DB_HOST=\nDB_PASSWORD=x\n"],
  ["the URL is none of PostgreSQL", byUrl, "DATABASE_URL=mysql://club:x@10.0.0.5/club\n"],
])("an environment file that cannot be understood stays as it is: %s", (_, how, before) => {
  expect(led(how, before)).toBe("refused: what it says of the database is not understood");
});

test("whatever else is in the file stays byte for byte", () => {
  const other = fc
    .string({ unit: fc.constantFrom(...Array.from("aZ_=\"'# \t\\$é/,|&")) })
    .filter((line) => !line.includes("DB_HOST"));
  fc.assert(
    fc.property(fc.array(other, { maxLength: 12 }), fc.array(other, { maxLength: 12 }), (above, below) => {
      const file = (address: string) => [...above, `DB_HOST=${address}`, ...below].join("\n");
      expect(led(byHost, file("10.0.0.5"))).toBe(file("10.0.0.6"));
    }),
    { numRuns: 5 },
  );
});

/** What host/lead says of a site whose environment file names 10.0.0.5, when its programs answer like this. */
function said(address: string, programs: Record<"php" | "systemctl" | "journalctl", string>): string {
  const folder = mkdtempSync(join(tmpdir(), "lead-"));
  try {
    for (const [name, script] of Object.entries({ ...programs, runuser: 'shift 3; exec "$@"' })) {
      writeFileSync(join(folder, name), `#!/bin/bash\n${script}\n`, { mode: 0o755 });
    }
    const program = join(folder, "host");
    cpSync(host, program, { recursive: true });
    const environmentFile = join(folder, ".env");
    const before = "DB_HOST=10.0.0.5\nDB_PASSWORD=planted-pw-7731\n";
    writeFileSync(environmentFile, before);
    const database = { kind: "postgresql", name: "club", role: "club", database: "club", ...byHost };
    writeFileSync(
      join(program, "request.json"),
      JSON.stringify({
        ...{ databases: [{ ...database, environmentFile }], address },
        ...{ serving: ["nginx.service"], workers: [] },
      }),
    );
    const { status, stderr } = spawnSync("bash", [join(program, "lead")], {
      encoding: "utf8",
      env: { ...process.env, PATH: `${folder}:${process.env["PATH"] ?? ""}` },
    });
    expect(status).toBe(1);
    expect(readFileSync(environmentFile, "utf8")).toBe(before);
    return stderr;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const well = { php: "cat >/dev/null; echo 3", systemctl: "true", journalctl: "" };

test("a site is not led to a database that cannot be read from its server", () => {
  const refused = 'SQLSTATE[08006] [7] no pg_hba.conf entry for host "192.0.2.10"';
  expect(said("10.0.0.6", { ...well, php: `cat >/dev/null; echo '${refused}'; exit 1` })).toBe(
    `the database club cannot be read from there at 10.0.0.6: ${refused}\n`,
  );
});

test("what a service says when it does not start is told without the site's secrets", () => {
  const programs = {
    ...well,
    systemctl: "[[ $1 != is-active ]]",
    journalctl: "echo 'no login as club with planted-pw-7731'",
  };
  expect(said("10.0.0.5", programs)).toBe("nginx.service does not start: no login as club with [masked]\n");
});
