import { siteIn } from "../../site-in.ts";
import { expect, test, vi } from "vitest";
import { openStore } from "../../../backups/stores/open-store.ts";
import { sshRemote } from "../../../backups/stores/ssh.ts";
import { siteSchema, type Store } from "../../../site/schema.ts";
import { rcloneEnvironment } from "../../../ssh/rclone-remote.ts";

const written = {
  kind: "ssh",
  name: "offsite",
  host: "backup.example.org",
  user: "club",
  path: "/srv/backups/photo club",
  hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
};

function store(changes: Record<string, unknown> = {}): Extract<Store, { kind: "ssh" }> {
  return siteSchema.shape.stores.parse([{ ...written, ...changes }])[0] as Extract<Store, { kind: "ssh" }>;
}

test("rclone is told all of the store by its environment: the pinned host, and an agent that logs in", () => {
  vi.stubEnv("XDG_CACHE_HOME", "/cache");
  expect(sshRemote(store())).toEqual({
    path: "store:/srv/backups/photo club/",
    environment: {
      RCLONE_CONFIG_STORE_TYPE: "sftp",
      RCLONE_CONFIG_STORE_HOST: "backup.example.org",
      RCLONE_CONFIG_STORE_PORT: "22",
      RCLONE_CONFIG_STORE_USER: "club",
      RCLONE_CONFIG_STORE_KEY_USE_AGENT: "true",
      RCLONE_CONFIG_STORE_KNOWN_HOSTS_FILE: expect.stringMatching(
        /^\/cache\/recovery-stack\/known-hosts\/[0-9a-f]{16}$/,
      ) as string,
      RCLONE_CONFIG_STORE_SHELL_TYPE: "none",
    },
  });
  vi.unstubAllEnvs();
});

test("what is known of one server is not known of another: its keys have a file of their own", () => {
  const file = (changes: Record<string, unknown>) =>
    sshRemote(store(changes)).environment["RCLONE_CONFIG_STORE_KNOWN_HOSTS_FILE"];
  const files = [{}, { port: 23 }, { host: "other.example.org" }, { hostKey: `${written.hostKey}=` }].map(
    file,
  );
  expect(new Set(files).size).toBe(4);
  expect(file({ name: "another", path: "elsewhere", user: "other" })).toBe(files[0]);
});

test("an address of IPv6 is written so that a port can stand behind it", () => {
  expect(sshRemote(store({ host: "2001:db8::1" })).environment["RCLONE_CONFIG_STORE_HOST"]).toBe(
    "[2001:db8::1]",
  );
});

test("no setting of the operator's rclone reaches ours, and the agent only what is logged in to", () => {
  vi.stubEnv("RCLONE_SFTP_ASK_PASSWORD", "true");
  vi.stubEnv("SSH_AUTH_SOCK", "/run/agent");
  const remote = sshRemote(store());
  const names = ["HOME", "PATH", "TMPDIR"];
  expect(Object.keys(rcloneEnvironment()).sort()).toEqual(names);
  expect(Object.keys(rcloneEnvironment(remote)).sort()).toEqual(
    [...names, "SSH_AUTH_SOCK", "SSL_CERT_FILE", ...Object.keys(remote.environment)].sort(),
  );
  vi.unstubAllEnvs();
});

test("the relay gets it under its own name, and a file of this computer under the name that is wished", async () => {
  const now = new Date();
  const remote = sshRemote(store());
  expect(
    (await openStore(store(), siteIn("/club"))).relayed(
      "full_backup_20250101_020000.tar.gz",
      "point.tar.gz",
      now,
    ),
  ).toEqual({
    name: "full_backup_20250101_020000.tar.gz",
    remote,
  });
  const folder: Store = { kind: "directory", name: "disk", path: "backups", timezone: "UTC" };
  expect(
    (await openStore(folder, siteIn("/club"))).relayed(
      "full_backup_20250101_020000.tar.gz",
      "point.tar.gz",
      now,
    ),
  ).toEqual({
    name: "point.tar.gz",
    path: "/club/backups/full_backup_20250101_020000.tar.gz",
  });
});

test.each([
  ["no host key", { hostKey: undefined }],
  ["a fingerprint for a host key", { hostKey: "SHA256:qH8baHrA5X0qCBovKCZyM02Q7TFtK4GMqVgOo4TZJAE" }],
  ["a host key over two lines", { hostKey: `${written.hostKey}\nother ${written.hostKey}` }],
  ["a host that rclone would read as an option", { host: "-oProxyCommand=sh" }],
  ["no user", { user: undefined }],
  ["a path with a line end", { path: "/srv\n/etc" }],
])("a store with %s is refused", (_, changes) => {
  expect(siteSchema.shape.stores.safeParse([{ ...written, ...changes }]).success).toBe(false);
});
