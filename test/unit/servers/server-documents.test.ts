import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { regionDependencies } from "../../../servers/region-dependencies.ts";
import { serverDocuments } from "../../../servers/server-documents.ts";
import { requireServer, serverRefusals, smallerThan } from "../../../servers/server-refusals.ts";
import { bucket, siteWith } from "../offsite/declared-site.ts";
import { replacement } from "./replacement.ts";

const siteOf = (changes: object = {}, more: object = {}) =>
  siteWith({ replacement: { ...replacement, ...changes }, ...more });

function documentsOf(changes: object = {}, { staging = false } = {}) {
  const site = siteOf(changes);
  if (!site.replacement) throw new Error("no server is described");
  return serverDocuments(site, site.replacement, { run: "20260301", staging });
}

/** What cloud-init is told. */
const told = (userData: string): Record<string, unknown> => {
  expect(userData.startsWith("#cloud-config\n")).toBe(true);
  return JSON.parse(userData.slice("#cloud-config\n".length)) as Record<string, unknown>;
};

test("a server serves the world, lets the operator in, keeps its address, and is not ended by accident", () => {
  const { instance, ...documents } = documentsOf();
  expect(documents).toEqual({
    region: "eu-central-1",
    keyPair: { publicKey: replacement.key },
    ingress: [
      { name: "ssh-1", port: 22, cidrIpv4: "203.0.113.7/32" },
      { name: "ssh-2", port: 22, cidrIpv6: "2001:db8::7/128" },
      { name: "http-1", port: 80, cidrIpv4: "0.0.0.0/0" },
      { name: "http-2", port: 80, cidrIpv6: "::/0" },
      { name: "https-1", port: 443, cidrIpv4: "0.0.0.0/0" },
      { name: "https-2", port: 443, cidrIpv6: "::/0" },
    ],
    keepsAddress: true,
    tags: { Name: "club", site: "club", run: "20260301" },
  });
  const { userData, ...rest } = instance;
  expect(rest).toEqual({
    ami: "ami-0123456789abcdef0",
    instanceType: "t3.small",
    availabilityZone: "eu-central-1b",
    instanceInitiatedShutdownBehavior: "stop",
    disableApiTermination: true,
    metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
    rootBlockDevice: { volumeType: "gp3", encrypted: true, volumeSize: 20, deleteOnTermination: false },
  });
  expect(told(userData)).toEqual({
    disable_root: false,
    ssh_pwauth: false,
    users: [{ name: "root", lock_passwd: true, ssh_authorized_keys: [replacement.key] }],
    write_files: [
      {
        path: "/etc/ssh/sshd_config.d/10-recovery.conf",
        content:
          "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n",
      },
    ],
    runcmd: [["systemctl", "reload", "ssh"]],
  });
});

test("one of staging is in a network of its own, is seen by the operator alone, and ends itself", () => {
  const { instance, ingress, keepsAddress, network, tags } = documentsOf(
    { staging: { lifeSpan: "90min" } },
    { staging: true },
  );
  const { runcmd, write_files: files } = told(instance.userData);
  expect(runcmd).toEqual([
    ["systemctl", "reload", "ssh"],
    ["sh", "/etc/recovery-life-span", "90"],
  ]);
  const written = new Map(
    (files as { path: string; content: string }[]).map(({ path, content }) => [path, content]),
  );
  expect(written.get("/etc/systemd/system/recovery-life-span.service")).toContain(
    "ExecStart=/usr/sbin/shutdown -P now\n",
  );
  // What it writes is a timer that systemd takes, of a moment in so many minutes, which a restart does not put off.
  const made = execFileSync(
    "sh",
    ["-c", (written.get("/etc/recovery-life-span") ?? "").replace(/>\S+ &&[^]*/, ""), "sh", "90"],
    { encoding: "utf8" },
  );
  const [, moment = ""] = /^\[Timer\]\nOnCalendar=(.*) UTC\nPersistent=yes\n/.exec(made) ?? [];
  const inMinutes = (Date.parse(`${moment.replace(" ", "T")}Z`) - Date.now()) / 60_000;
  expect(Math.abs(inMinutes - 90)).toBeLessThan(1);
  expect(instance).toMatchObject({
    instanceInitiatedShutdownBehavior: "terminate",
    disableApiTermination: false,
    rootBlockDevice: { deleteOnTermination: true },
  });
  expect(ingress.filter(({ cidrIpv4, cidrIpv6 }) => (cidrIpv4 ?? cidrIpv6 ?? "").endsWith("/0"))).toEqual([]);
  expect({ keepsAddress, network, tags }).toEqual({
    keepsAddress: false,
    network: { vpc: "10.255.0.0/24", subnet: "10.255.0.0/24" },
    tags: { Name: "club-staging", site: "club", run: "20260301" },
  });
});

test.each([
  [{}, []],
  [{ zone: "eu-west-1a" }, ["eu-west-1a is no zone of eu-central-1"]],
  [
    { image: { ...replacement.image, release: "13" } },
    ["its image is of Debian 13, and server.release is 12"],
  ],
  [
    { image: { ...replacement.image, architecture: "arm64" } },
    ["its image is for arm64, and t3.small has processors of amd64"],
  ],
  [
    { instance: { ...replacement.instance, cores: 1, memory: "512MiB" } },
    ["t3.small has 1 cores, and the site needs 2", "t3.small has 512MiB of memory, and the site needs 1GiB"],
  ],
  [{ disk: "7GiB" }, ["its disk is 7GiB, and the site needs 4GiB beside 6GiB for Debian and the restore"]],
  [
    { operators: ["0.0.0.0/0", "::/0", "128.0.0.0/1", "198.51.0.0/16", "2001:db8::/32"] },
    [
      "operators has 0.0.0.0/0: too many could try to log in",
      "operators has ::/0: too many could try to log in",
      "operators has 128.0.0.0/1: too many could try to log in",
    ],
  ],
  [{ staging: { lifeSpan: "5min" } }, ["a staging server needs more than 10 minutes to be of use"]],
])("%j is refused for what stands against it", (changes, lines) => {
  const site = siteOf(changes, { server: { cores: 2, memory: "1GiB", disk: "4GiB" } });
  expect(serverRefusals(site)).toEqual(lines.map((line) => `replacement: ${line}`));
  if (lines.length > 0)
    expect(() => {
      requireServer(site);
    }).toThrow(lines[0]);
});

test("one that is smaller than what the newest backup was made on is refused", () => {
  const site = siteOf();
  const gibibyte = 1024 ** 3;
  expect(smallerThan(site, { cores: 2, memoryBytes: 1.95 * gibibyte })).toEqual([]);
  expect(smallerThan(site, undefined)).toEqual([]);
  expect(smallerThan(siteWith({}), { cores: 64, memoryBytes: 64 * gibibyte })).toEqual([]);
  expect(() => {
    requireServer(site, { cores: 4, memoryBytes: 3.9 * gibibyte });
  }).toThrow(
    "replacement: t3.small has 2 cores, and the lost server had 4\nreplacement: t3.small has 2GiB of memory, and the lost server had 3994MiB",
  );
});

test.each(["999.1.1.1/32", "203.0.113.7/99", "203.0.113.7", "2001:db8::/129", "everybody/0"])(
  "%s is no range of addresses",
  (range) => {
    expect(() => siteOf({ operators: [range] })).toThrow("not a range of addresses, such as 203.0.113.7/32");
  },
);

test("a site that describes none is refused nothing", () => {
  expect(serverRefusals(siteWith({}))).toEqual([]);
});

const anyReplacement = fc
  .record({
    cores: fc.integer({ min: 1, max: 8 }),
    memory: fc.constantFrom("512MiB", "1GiB", "4GiB"),
    disk: fc.integer({ min: 1, max: 40 }).map((size) => `${size}GiB`),
    operators: fc.array(fc.constantFrom("203.0.113.7/32", "2001:db8::/64", "0.0.0.0/0"), {
      minLength: 1,
      maxLength: 3,
    }),
    lifeSpan: fc.integer({ min: 1, max: 48 }).map((hours) => `${hours}h`),
    address: fc.constantFrom("kept", "new"),
    needs: fc.record({ cores: fc.integer({ min: 1, max: 4 }), disk: fc.constantFrom("1GiB", "10GiB") }),
  })
  .map(({ cores, memory, needs, lifeSpan, ...rest }) =>
    siteOf(
      { ...rest, staging: { lifeSpan }, instance: { ...replacement.instance, cores, memory } },
      { server: needs },
    ),
  );

describe("of any site, a server that is not refused", () => {
  test.each([false, true])(
    "is encrypted, gives its credentials to nobody, lets nobody in but the operator, and is large enough; staging: %s",
    (staging) => {
      let seen = 0;
      fc.assert(
        fc.property(anyReplacement, (site) => {
          if (!site.replacement || serverRefusals(site).length > 0) return;
          seen += 1;
          const { instance, ingress, network } = serverDocuments(site, site.replacement, {
            run: "x",
            staging,
          });
          expect(instance.rootBlockDevice).toMatchObject({ encrypted: true, volumeType: "gp3" });
          expect(instance.rootBlockDevice.volumeSize * 1024 ** 3).toBeGreaterThan(site.server.disk);
          expect(instance.metadataOptions.httpTokens).toBe("required");
          for (const { port, cidrIpv4, cidrIpv6 } of ingress) {
            const open = (cidrIpv4 ?? cidrIpv6 ?? "").endsWith("/0");
            expect(open && (port === 22 || staging)).toBe(false);
          }
          expect(told(instance.userData)["ssh_pwauth"]).toBe(false);
          expect(instance.userData.includes("shutdown")).toBe(staging);
          expect(instance.instanceInitiatedShutdownBehavior).toBe(staging ? "terminate" : "stop");
          expect(network !== undefined).toBe(staging);
        }),
        { numRuns: 300 },
      );
      expect(seen).toBeGreaterThan(30);
    },
  );
});

test("what is lost with a region is told by the region", () => {
  const kmsKey = "arn:aws:kms:eu-west-1:111122223333:key/0a1b";
  const other = { ...bucket, name: "other", bucket: "club-other", region: "eu-west-1", declared: { kmsKey } };
  const theirs = { ...bucket, name: "theirs", endpoint: "https://minio.example.org" };
  const evidence = { bucket: "club-evidence", path: "club", region: "eu-west-1" };
  const site = siteOf({}, { stores: [bucket, other, theirs], evidence });
  expect([...regionDependencies(site, "s3://club-state?region=eu-central-1")]).toEqual([
    [
      "eu-central-1",
      [
        "the bucket club-backups (store bucket)",
        "the server that this stack makes",
        "Pulumi's state, in the bucket club-state",
      ],
    ],
    [
      "eu-west-1",
      [
        "the bucket club-other (store other)",
        `the key ${kmsKey} (store other)`,
        "the bucket club-evidence (verdicts and records)",
      ],
    ],
  ]);
  expect([...regionDependencies(site, "s3://club-state").keys()]).toContain(
    "a region that its address does not say",
  );
  expect(regionDependencies(siteWith({ stores: [theirs] }), "file://~").size).toBe(0);
});
