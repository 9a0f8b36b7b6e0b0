import { chmod, cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ensureDebianPackages } from "../../machines/debian-packages.ts";
import { fencedBlocks, page } from "../unit/docs/documents.ts";
import { recoveryHost, say, trustAnAuthority, type RecoveryHost } from "./recovery-host.ts";
import { typed } from "./typed.ts";

/** docs/first-site.md, followed word for word: by an owner whose server and computer are two folders here. */
const text = page("docs/first-site.md");
const [status = "", bundle = "", backup = "", fetch = "", ...others] = fencedBlocks(text, "bash");
if (others.length > 0) throw new Error("the page has a script that is not carried out here");
const [siteFile = ""] = fencedBlocks(text, "yaml");

const program: Record<string, string> = {
  "public/index.php": `<?php
$database = new PDO('sqlite:' . __DIR__ . '/../data/club.db');
$members = (int) $database->query('SELECT count(*) FROM members')->fetchColumn();
$photos = count(glob(__DIR__ . '/../data/photos/*.jpg'));
echo "<!doctype html><title>Photo club</title><p>$photos photos of our members, who are $members";
`,
  "composer.json": `{ "name": "club/site", "require": { "php": ">=8.2" } }\n`,
  ".gitignore": "/.env\n/data\n/vendor\n/composer.lock\n",
  "server/nginx.conf": `server {
    listen 80;
    server_name club.example.org;
    root /var/www/club/public;
    index index.php;
    location / { try_files $uri $uri/ =404; }
    location ~ \\.php$ {
        include snippets/fastcgi-php.conf;
        fastcgi_pass unix:/run/php/php8.2-fpm.sock;
    }
}
`,
};

let directory: string;
let server: string;
let owner: string;
/** What the owner rents: the page's 192.0.2.10, and after the rebuild what 192.0.2.9 was before. */
let host: RecoveryHost;

/** A line or script of the page, with the server's folders in the place of its paths. */
const onServer = (script: string) =>
  script
    .replaceAll("/var/www/club", join(server, "var/www/club"))
    .replaceAll("/var/backups/club", join(server, "var/backups/club"))
    .replaceAll("root@192.0.2.9:", "");

const bash = (script: string, cwd: string, { reject = true } = {}) =>
  execa("bash", ["-c", script], {
    cwd,
    env: { ...host.environment, XDG_STATE_HOME: join(directory, "state") },
    stdin: "ignore",
    reject,
  });

/** A line of a console block, with `more` at its end. */
async function asked(
  line: string,
  more: string[] = [],
): Promise<{ exitCode: number | undefined; said: string }> {
  const { exitCode, stdout, stderr } = await bash([line, ...more].join(" "), owner, { reject: false });
  return { exitCode, said: `${stdout}\n${stderr}` };
}

beforeAll(async () => {
  host = await recoveryHost();
  await trustAnAuthority(host);
  await ensureDebianPackages([{ command: "rsync", package: "rsync" }], say);
  directory = await mkdtemp(join(tmpdir(), "first-site-test-"));
  server = join(directory, "server");
  owner = join(directory, "owner");
  const club = join(server, "var/www/club");
  for (const [name, content] of Object.entries(program)) {
    await mkdir(dirname(join(club, name)), { recursive: true });
    await writeFile(join(club, name), content);
  }
  await mkdir(join(club, "data/photos"), { recursive: true });
  for (const name of ["harbour.jpg", "a wedding.jpg"]) await writeFile(join(club, "data/photos", name), name);
  await writeFile(join(club, "data/settings.json"), "{}");
  await writeFile(join(club, ".env"), 'MAIL_PASSWORD="not a real one"\n');
  await execa("sqlite3", [
    join(club, "data/club.db"),
    "CREATE TABLE members (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO members (name) VALUES ('Ada'), ('Grace')",
  ]);
  await bash(
    "git init -q -b main && git add -A && git -c user.name=club -c user.email=webmaster@club.example.org commit -qm 'The site' && git tag v1.0.0",
    club,
  );
  await mkdir(owner);
  await bash("chmod 711 . && chown -R www-data: server/var/www/club/data", directory);
});

afterAll(async () => {
  await host.close();
  await rm(directory, { recursive: true, force: true });
});

test("the program on the server is what its repository holds, and a bundle takes it along", async () => {
  const { stdout } = await bash(onServer(status), server);
  expect(stdout).toBe("v1.0.0");
  await bash(bundle, join(server, "var/www/club"));
  await cp(join(server, "var/www/club/club.bundle"), join(owner, "club.bundle"));
  await rm(join(server, "var/www/club/club.bundle"));
});

test("the backup makes one archive and leaves nothing else, and comes to the owner's computer", async () => {
  const script = join(server, "club-backup");
  await writeFile(script, onServer(backup));
  await chmod(script, 0o700);
  await execa(script);
  const made = await readdir(join(server, "var/backups/club"));
  expect(made).toEqual([expect.stringMatching(/^full_backup_\d{8}_\d{6}\.tar\.gz$/)]);
  await bash(onServer(fetch), owner);
  expect(await readdir(join(owner, "backups"))).toEqual(made);
});

test("site.yaml as it stands on the page is understood, and the archive can be restored", async () => {
  await writeFile(join(owner, "site.yaml"), siteFile);
  expect(await asked(typed("npx recovery config check --site site.yaml"))).toMatchObject({ exitCode: 0 });
  const listed = await asked(typed("npx recovery points list --site site.yaml"));
  expect(listed.said).toMatch(/^complete +full_backup_\d{8}_\d{6} /);
  expect(listed.exitCode).toBe(0);
  expect(await asked(typed("npx recovery points verify --all --site site.yaml"))).toEqual({
    exitCode: 0,
    said: expect.stringMatching(/full_backup_\d{8}_\d{6}/) as string,
  });
});

test("the drill brings the club back", async () => {
  // The page's packages are those of the sample: with them baked it is the same, and takes a quarter of the time.
  const { exitCode, said } = await asked(typed("npx recovery drill --site site.yaml"), ["--baked"]);
  expect(said).toMatch(/The front page shows photos .* ok/);
  expect(said).toMatch(/There are members +2 rows +ok/);
  expect(said).toMatch(/^recovered club from full_backup_\d{8}_\d{6} in /m);
  expect(said).toMatch(/^page: +\/.*run\.html$/m);
  expect(exitCode).toBe(0);
});

test("the command for the night brings it back on a server that was rented, and assess knows the living site", async () => {
  // The authority of a test stands in for the public one, and a line on the host for DNS, which cannot be changed here.
  await host.onHost("echo 127.0.0.1 club.example.org >>/etc/hosts");
  await writeFile(
    join(owner, "site.yaml"),
    siteFile.replace(/^tls:\n/m, "tls:\n  directory: https://127.0.0.1:14000/dir\n"),
  );
  const night = await asked(
    typed("npx recovery rebuild --site site.yaml --host root@192.0.2.10 --old-host-is-off", {
      "192.0.2.10": host.machine.address,
    }),
    ["--host-key", `"${host.machine.hostKey}"`, "--skip-dns", "--watch", "0s", "--yes"],
  );
  expect(night.said).toMatch(/^recovered club from full_backup_\d{8}_\d{6} in /m);
  expect(night.exitCode).toBe(0);
  expect(
    await host.onHost(
      "curl -s --resolve club.example.org:443:127.0.0.1 https://club.example.org/; sqlite3 /var/www/club/data/club.db 'SELECT name FROM members'",
    ),
  ).toMatch(/2 photos of our members, who are 2\s*Ada\nGrace\n$/);
  const seen = await asked(
    typed('npx recovery assess --site site.yaml --host root@192.0.2.9 --host-key "ssh-ed25519 AAAA…"', {
      "192.0.2.9": host.machine.address,
      "ssh-ed25519 AAAA…": host.machine.hostKey,
    }),
  );
  expect(seen.said).toMatch(/^ok +units +nginx\.service, php8\.2-fpm\.service$/m);
  expect(seen.said).toMatch(/^ok +database club +quick_check found nothing$/m);
  expect(seen.said).toMatch(/^ok +application +at v1\.0\.0$/m);
  // The domain of the page is nobody's.
  expect(seen.said).toMatch(/^bad +DNS of club\.example\.org +not known to DNS$/m);
});
