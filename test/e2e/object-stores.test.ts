import { execa } from "execa";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { BackupOutcome } from "../../run/back-up.ts";
import type { RestorePoint } from "../../backups/restore-point.ts";
import { rcloneStore } from "../../backups/stores/rclone.ts";
import { s3Store } from "../../backups/stores/s3.ts";
import { siteSchema, type Store } from "../../site/schema.ts";
import { type ObjectServers, startObjectServers } from "./object-servers.ts";
import {
  besides,
  needed,
  recoveryHost,
  trustAnAuthority,
  visit,
  type RecoveryHost,
} from "./recovery-host.ts";

let host: RecoveryHost;
let servers: ObjectServers;
/** Of the servers. */
let folder: string;
let named: string[];
/** The way from the host to the bucket: what is sent on it is cut after so many bytes. */
let cable: Server;
let cutAfterBytes = Infinity;
let tunnel: ChildProcess;
/** The id of the one that was made first. */
let first: string;

const points = async (): Promise<RestorePoint[]> => {
  const { stdout, stderr } = await host.recovery("points", "list", "--site", host.site, "--json");
  try {
    return JSON.parse(stdout) as RestorePoint[];
  } catch {
    throw new Error(stderr);
  }
};
const statesOf = async (id: string) =>
  Object.fromEntries(
    (await points())
      .filter((point) => point.id === id && point.state !== "foreign")
      .map(({ store, state }) => [store, state]),
  );
const backup = () => host.recovery("backup", "--site", host.site, ...named);
const outcome = async () =>
  JSON.parse(await host.onHost("cat /var/lib/site-backup/manual.json")) as BackupOutcome;
const secret = (name: string) => `/etc/site-backup/secrets/${name}`;
/** What runs on the host as whoever broke in there would have it, with all that lies there. */
const asIntruder = (name: string, command: string) =>
  host.onHost(
    `set -e; name=${name} resident=/usr/local/lib/recovery/current/resident; at() { jq -r --arg name "$name" --arg field "$1" '.stores[$name][$field] // ""' /etc/site-backup/settings.json; }; . "$resident/stores/$(at kind).sh"; ${command}`,
  );

beforeAll(async () => {
  await needed("age", "zstd");
  folder = await mkdtemp(join(tmpdir(), "object-stores-"));
  servers = await startObjectServers(folder);
  // Before there is an operator, who has this computer's environment.
  vi.stubEnv("SSL_CERT_FILE", servers.authorities);
  host = await recoveryHost();
  await trustAnAuthority(host);
  named = ["--host", `root@${host.machine.address}`, "--host-key", host.machine.hostKey];
  const rebuilt = await host.recovery(
    ...["rebuild", "--site", host.site, ...named, ...besides, "--yes", "--without-pulumi"],
  );
  expect(rebuilt.exitCode, rebuilt.stderr).toBe(0);
  cable = createServer((near) => {
    let sent = 0;
    const far = connect(servers.s3.port, "127.0.0.1");
    for (const end of [near, far])
      end.on("error", () => undefined).on("close", () => (near.destroy(), far.destroy()));
    near.on("data", (chunk) => {
      sent += chunk.length;
      if (sent > cutAfterBytes) near.destroy();
    });
    near.pipe(far).pipe(near);
  }).listen(0, "127.0.0.1");
  await once(cable, "listening");
  const { port: cablePort } = cable.address() as AddressInfo;
  // To the host the servers are at the same place as to its operator.
  tunnel = spawn(
    "ssh",
    [
      ...["-F", "/dev/null", "-N", "-p", String(host.machine.port), "-o", "StrictHostKeyChecking=no"],
      ...["-o", "UserKnownHostsFile=/dev/null", "-o", "ExitOnForwardFailure=yes", "-o", "LogLevel=ERROR"],
      ...["-R", `127.0.0.1:${servers.s3.port}:127.0.0.1:${cablePort}`],
      ...["-R", `127.0.0.1:${servers.azure.port}:127.0.0.1:${servers.azure.port}`],
      `root@${host.machine.address}`,
    ],
    { env: { ...process.env, ...host.environment }, stdio: "ignore" },
  );
  await host.onHost(
    `for port in ${servers.s3.port} ${servers.azure.port}; do until (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; do :; done; done; cat >/usr/local/share/ca-certificates/stores.crt <<'END'\n${servers.certificate}END\nupdate-ca-certificates >/dev/null 2>&1`,
  );
  await execa("age-keygen", ["-o", join(host.directory, "key")]);
  const { stdout: recipient } = await execa("age-keygen", ["-y", join(host.directory, "key")]);
  const { s3, azure } = servers;
  const secrets = {
    BUCKET_READER: s3.reader.secretAccessKey,
    BUCKET_WRITER: s3.writer.secretAccessKey,
    CONTAINER_READER: azure.reader,
    CONTAINER_WRITER: azure.writer,
  };
  for (const [name, value] of Object.entries(secrets))
    await writeFile(join(host.directory, name), `${value}\n`, { mode: 0o600 });
  const access = (name: string, { accessKeyId }: { accessKeyId: string }) =>
    `{ accessKeyId: ${accessKeyId}, secretAccessKey: ${name} }`;
  const runbookSite = await readFile(host.site, "utf8");
  await writeFile(
    host.site,
    [
      runbookSite.replace(/^stores:[^]*/m, "stores:"),
      `  - { kind: s3, name: bucket, bucket: kept, path: club, endpoint: "https://127.0.0.1:${s3.port}", reader: ${access("BUCKET_READER", s3.reader)}, writer: ${access("BUCKET_WRITER", s3.writer)} }`,
      `  - { kind: azure-blob, name: container, container: "https://127.0.0.1:${azure.port}/devstoreaccount1/kept", path: club, reader: CONTAINER_READER, writer: CONTAINER_WRITER }`,
      `restorePoints: { signers: ["${host.machine.hostKey}"], recipients: ["${recipient}"], identity: BACKUP_KEY }`,
      "secrets:",
      `  - { name: BACKUP_KEY, from: "file:key" }`,
      ...Object.keys(secrets).map((name) => `  - { name: ${name}, from: "file:${name}" }`),
      "backups: {}",
      "",
    ].join("\n"),
  );
}, 900_000);

afterAll(async () => {
  tunnel.kill();
  cable.close();
  await servers.close();
  await host.close();
  await rm(folder, { recursive: true });
  vi.unstubAllEnvs();
});

describe("a server whose backups go to a bucket and to a container", { timeout: 300_000 }, () => {
  test("sends each of them to both, where they are found and can be read", async () => {
    const done = await host.recovery("protect", "--site", host.site, ...named, "--json");
    expect(done.exitCode, done.stderr).toBe(0);
    const made = await backup();
    expect(made.exitCode, made.stderr).toBe(0);
    first = /^made (manual\/\w+)\nsent to bucket\nsent to container$/.exec(made.stdout)?.[1] ?? made.stdout;
    const both = (await points()).filter(({ id }) => id === first);
    expect(both.map(({ store, state }) => [store, state]).sort()).toEqual([
      ["bucket", "complete"],
      ["container", "complete"],
    ]);
    const [one, other] = both.map(({ manifestSha256, members }) => ({ manifestSha256, members }));
    expect(one).toEqual(other);
    const verified = await host.recovery("points", "verify", "--site", host.site, first);
    expect(verified.exitCode, verified.stderr).toBe(0);
    expect(verified.stdout).toContain(`readable  ${first}  in bucket`);
    expect(verified.stdout).toContain(`readable  ${first}  in container`);
  });

  test("keeps the writers' secrets in files that are root's alone, and nowhere else", async () => {
    for (const [name, value] of [
      ["BUCKET_WRITER", servers.s3.writer.secretAccessKey],
      ["CONTAINER_WRITER", new URLSearchParams(servers.azure.writer).get("sig") ?? ""],
    ] as const) {
      expect(await host.onHost(`stat -c '%a %U' ${secret(name)}`)).toBe("600 root\n");
      const encoded = encodeURIComponent(value);
      await host.onHost(`printf '%s\\n' '${value}' '${encoded}' >/run/sought`);
      expect(
        await host.onHost(
          "grep -rlFf /run/sought /etc /var/lib /var/log /run --exclude=sought --exclude-dir=user 2>/dev/null; journalctl -o cat | grep -cFf /run/sought || true",
        ),
      ).toBe(`${secret(name)}\n0\n`);
    }
    expect(await host.onHost("ls /etc/site-backup/secrets")).toBe("BUCKET_WRITER\nCONTAINER_WRITER\n");
  });

  test("that has wrong credentials for one still sends to the other, and says what is wrong with them", async () => {
    await host.onHost(`cp -p ${secret("BUCKET_WRITER")} /root/kept; echo wrong >${secret("BUCKET_WRITER")}`);
    const wrong = await backup();
    expect(wrong.exitCode, wrong.stderr).toBe(1);
    const { point, sent } = await outcome();
    expect(sent).toEqual({
      bucket: expect.stringMatching(/SignatureDoesNotMatch/) as string,
      container: null,
    });
    await host.onHost(`mv /root/kept ${secret("BUCKET_WRITER")}`);
    expect(await statesOf(point ?? "")).toEqual({ container: "complete" });

    await host.onHost(
      `cp -p ${secret("CONTAINER_WRITER")} /root/kept; echo '${servers.azure.expired}' >${secret("CONTAINER_WRITER")}`,
    );
    const expired = await backup();
    expect(expired.exitCode, expired.stderr).toBe(1);
    expect((await outcome()).sent).toEqual({
      bucket: null,
      container: expect.stringMatching(/^403 Server failed to authenticate the request/) as string,
    });
    await host.onHost(`mv /root/kept ${secret("CONTAINER_WRITER")}`);
  });

  test("that is cut off in the middle of an upload has its own copy whole, and there nothing that counts", async () => {
    await host.onHost("head -c 24M /dev/urandom >/var/www/chatbot/data/uploads/large.bin");
    cutAfterBytes = 2 * 1024 * 1024;
    const cut = await backup();
    cutAfterBytes = Infinity;
    await host.onHost("rm /var/www/chatbot/data/uploads/large.bin");
    expect(cut.exitCode, cut.stderr).toBe(1);
    const { point, sent } = await outcome();
    expect(sent).toEqual({ bucket: expect.any(String) as string, container: null });
    const there = await statesOf(point ?? "");
    expect(there).toMatchObject({ container: "complete" });
    expect(["damaged", undefined]).toContain(there["bucket"]);
  });

  test("comes back from the container when the bucket cannot be read, and the operator is told so", async () => {
    const reader = join(host.directory, "BUCKET_READER");
    await host.onHost("rm -r /var/www/chatbot/data/uploads; mv /var/backups/site /root/site");
    await writeFile(reader, "revoked\n");
    const rebuilt = await host.recovery(
      ...["rebuild", "--site", host.site, ...named, ...besides, "--yes", "--without-pulumi"],
      ...["--again", host.machine.address, "--point", first],
    );
    await writeFile(reader, `${servers.s3.reader.secretAccessKey}\n`);
    await host.onHost("rm -rf /var/backups/site; mv /root/site /var/backups/site");
    expect(rebuilt.exitCode, rebuilt.stderr + rebuilt.stdout).toBe(0);
    // Once: it is not asked again for the plan.
    const said = /^ *[\d.]+ s {2}the store bucket cannot be read: .*What it holds is not looked at$/gm;
    expect(rebuilt.stderr.match(said), rebuilt.stderr).toHaveLength(1);
    expect(rebuilt.stderr).toContain(`  from  ${first} in container, complete`);
    await visit(host);
    await expectUploads();
  });

  test("and is taken over by somebody with all that lies there: what was in the bucket at first is still restored", async () => {
    for (const store of ["bucket", "container"]) {
      await asIntruder(
        store,
        `cd /root; date >ransom; ls /var/backups/site/${first} | while read -r file; do rclone --config= copyto --no-check-dest ransom "$folder/${first}/$file" </dev/null; done`,
      );
      expect(await asIntruder(store, `rclone --config= delete --retries=1 "$folder" 2>&1 || true`)).toMatch(
        /AccessDenied|not authorized/,
      );
    }
    const [tier = ""] = first.split("/");
    await servers.s3.putAsWriter(
      // Looks like an older version, and comes before what is there in every listing.
      `club/${first}/MANIFEST-v2000-01-01-000000-000.json`,
      // Bear the names of folders, and lie below that of a member.
      `club/${tier}`,
      `club/${first}`,
      `club/${first}/config.tar.zst.age/x`,
    );
    await host.onHost(
      `rm -rf /var/backups/site; cd /var/www/chatbot/data/uploads; for file in *; do [ -d "$file" ] || date >"$file"; done`,
    );

    // A container keeps what was there only where its own rules say so, and reading it does not tell.
    expect(await statesOf(first)).toEqual({ bucket: "complete", container: "damaged" });
    const verified = await host.recovery("points", "verify", "--site", host.site, first);
    expect(verified.stdout, verified.stderr).toContain(`readable  ${first}  in bucket`);
    const rebuilt = await host.recovery(
      ...["rebuild", "--site", host.site, ...named, ...besides, "--yes", "--without-pulumi"],
      ...["--again", host.machine.address, "--point", first],
    );
    expect(rebuilt.exitCode, rebuilt.stderr).toBe(0);
    expect(rebuilt.stderr).toContain(`${first} in bucket`);
    await visit(host);
    await expectUploads();
  });
});

async function expectUploads(): Promise<void> {
  const manifest = host.sample.uploads.map(({ path, sha256 }) => `${sha256}  ${path}`).join("\n");
  const differing = await host.onHost(
    `cd /var/www/chatbot/data/uploads && sha256sum --check --quiet <<'END'\n${manifest}\nEND`,
  );
  expect(differing).toBe("");
}

test.each([true, false])(
  "a name in a bucket that XML cannot hold breaks no listing, and no terminal acts on it (versions: %s)",
  async (versions) => {
    // moto tells the names of versions as they are, whatever it is asked for; AWS does as it is asked.
    const server = createHttpServer((request, response) => {
      const asked = new URL(request.url ?? "", "http://127.0.0.1").searchParams;
      // Whether there is an object of the folder's name.
      if (request.method === "HEAD") response.statusCode = 404;
      const [root, entry] = asked.has("versions")
        ? ["ListVersionsResult", "Version"]
        : ["ListBucketResult", "Contents"];
      const isCoded = asked.get("encoding-type") === "url";
      const listed = ["club/\u001b]0;x\u0007name", "club/é plain"].map(
        (name) =>
          `<${entry}><Key>${isCoded ? encodeURIComponent(name) : name}</Key><LastModified>2026-03-01T02:00:00.000Z</LastModified><Size>1</Size></${entry}>`,
      );
      response.end(
        `<?xml version="1.0" encoding="UTF-8"?><${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>false</IsTruncated>${listed.join("")}</${root}>`,
      );
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const { port } = server.address() as AddressInfo;
      const [store] = siteSchema.shape.stores.parse([
        { kind: "s3", name: "bucket", endpoint: "https://192.0.2.1", bucket: "kept", path: "club", versions },
      ]) as [Extract<Store, { kind: "s3" }>];
      vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
      vi.stubEnv("AWS_SECRET_ACCESS_KEY", "example");
      // site.yaml asks for TLS.
      const local = { ...store, endpoint: `http://127.0.0.1:${port}` };
      const names = (await rcloneStore(s3Store(local, undefined)).list()).map(({ name }) => name);
      expect(names).toEqual(["é plain", "\u241b]0;x\u2407name"]);
    } finally {
      server.close();
    }
  },
);
