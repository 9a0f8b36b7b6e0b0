import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PreparedExample } from "../../examples/build-folder.ts";
import { prepareGuestBook } from "../../examples/guestbook/prepare.ts";
import { rowsInBackup, rowsInside } from "./guestbook-rows.ts";
import { keptDrill, type KeptDrill } from "./kept-drill.ts";
import { needed } from "./recovery-host.ts";
import { typed } from "./typed.ts";

/** Planted in the site's settings. */
const planted = { DB_PASSWORD: "planted-pw-5512", FORM_SECRET: "planted-form-secret-0f1e2d3c4b5a69788796" };

let directory: string;
let book: PreparedExample;
let drilled: KeptDrill | undefined;

beforeAll(async () => {
  await needed();
  directory = await mkdtemp(join(tmpdir(), "guestbook-test-"));
  book = await prepareGuestBook({ directory, settings: planted });
});

afterAll(async () => {
  await drilled?.remove();
  await rm(directory, { recursive: true, force: true });
});

/** Runs a command on the machine of the drill. */
function inside(command: string): ReturnType<KeptDrill["inside"]> {
  if (!drilled) throw new Error("the drill did not recover the site");
  return drilled.inside(command);
}

describe("a site in plain PHP, with an account and a pool of its own", { timeout: 600_000 }, () => {
  const request = {
    inputs: {
      name: "guestbook",
      domain: "guestbook.example.test",
      source: "/srv/guestbook/server/nginx.conf",
      webroot: "/var/www/letsencrypt",
      certificates: "",
      php: "8.2",
      pool: "/srv/guestbook/server/php-fpm.conf",
      owner: "guestbook",
    },
  };
  /** What the step `web-server` says when it is done once more with something changed. */
  async function webServerAfter(change: string): Promise<string[]> {
    const { stderr } = await inside(
      [
        change,
        "export RECOVERY_HOST=$(dirname $(readlink -f /usr/local/lib/recovery/run-step)) RECOVERY_WORK=/root/work",
        "mkdir -p $RECOVERY_WORK",
        // As run-step does.
        `. $RECOVERY_HOST/given.sh && echo '${JSON.stringify(request)}' | jq -j ".inputs | $by_path" >$RECOVERY_WORK/inputs`,
        "bash $RECOVERY_HOST/steps/web-server >/dev/null",
      ].join("\n"),
    );
    return stderr.trim().split("\n");
  }

  test("comes back by its configuration alone, row by row", async () => {
    drilled = await keptDrill(
      typed("npx recovery drill --site site.yaml", { "site.yaml": book.site }),
      join(directory, "state"),
    );
    const rows = await rowsInBackup(book);
    expect(Object.keys(rows)).toEqual(["answers", "entries"]);
    expect(await rowsInside(inside)).toEqual(rows);
  });

  test("runs as an account that was made for it, whose secrets no other can read", async () => {
    expect((await inside("getent passwd guestbook")).stdout).toMatch(
      /^guestbook:x:\d{3}:\d{3}::\/srv\/guestbook:\/usr\/sbin\/nologin$/,
    );
    expect((await inside("ps -C php-fpm8.2 -o user:20= | sort -u")).stdout.split("\n")).toEqual([
      "guestbook",
      "root",
    ]);
    expect((await inside("runuser -u guestbook -- cat /srv/guestbook/settings.env")).stdout).toContain(
      planted.FORM_SECRET,
    );
    for (const other of ["www-data", "nobody"]) {
      const refused = await inside(`runuser -u ${other} -- cat /srv/guestbook/settings.env`);
      expect(refused.stderr).toContain("Permission denied");
    }
    // Debian's own pool, which runs as www-data, is no more; neither of them can come back at a restart.
    expect((await inside("ls -l /etc/php/8.2/fpm/pool.d | tail -n +2")).stdout).toMatch(
      /^-rw------- \d root root .* guestbook\.conf$/,
    );
  });

  test("takes an entry from who was shown the form, and from nobody else", async () => {
    const ask = (options: string) =>
      inside(
        `curl -s --cacert /var/lib/recovery/acme-root.pem --resolve guestbook.example.test:443:127.0.0.1 https://guestbook.example.test/ ${options}`,
      );
    const { stdout } = await ask("-c /root/jar");
    const token = /name="token" value="([0-9a-f]{64})"/.exec(stdout)?.[1] ?? "";
    const entry = `--data-urlencode name='<Eva>' --data-urlencode message="It's \\"here\\""`;
    const status = `-o /dev/null -w '%{http_code}'`;
    expect((await ask(`${status} -b /root/jar ${entry} -d token=0`)).stdout).toBe("403");
    expect((await ask(`${status} ${entry} -d token=${token}`)).stdout).toBe("403");
    expect((await ask(`${status} -b /root/jar ${entry} -d token=${token} -d name=`)).stdout).toBe("422");
    expect((await ask(`${status} -b /root/jar ${entry} -d token=${token}`)).stdout).toBe("303");
    const page = (await ask("")).stdout;
    expect(page).toContain("41 guests have written");
    expect(page).toContain("&lt;Eva&gt;");
    expect(page).toContain("It&#039;s &quot;here&quot;");
  });

  test("is told when its pool would run as another account", async () => {
    expect(
      await webServerAfter("sed -i 's/^user = .*/user = www-data/' /srv/guestbook/server/php-fpm.conf"),
    ).toEqual([
      "no PHP-FPM pool runs as guestbook",
      "guestbook owns the site, and PHP would run as www-data",
      "correct `user` in /srv/guestbook/server/php-fpm.conf, or permissions.owner in site.yaml",
    ]);
  });

  test("is told what PHP-FPM does not understand of its pool", async () => {
    const lines = await webServerAfter(
      "sed -i 's/^user = .*/user = $pool/; s/^pm = /pn = /' /srv/guestbook/server/php-fpm.conf",
    );
    expect(lines).toEqual([
      "PHP-FPM refuses its configuration",
      "ERROR: [/etc/php/8.2/fpm/pool.d/guestbook.conf:11] unknown entry 'pn'",
      "correct /srv/guestbook/server/php-fpm.conf, or php.pool in site.yaml",
    ]);
  });

  test("is told the line of its nginx configuration that names a socket of another PHP", async () => {
    const lines = await webServerAfter(
      "sed -i 's/^pn = /pm = /' /srv/guestbook/server/php-fpm.conf; sed -i 's#/run/php/guestbook.sock#/run/php/php7.4-fpm.sock#' /srv/guestbook/server/nginx.conf",
    );
    expect(lines).toEqual([
      "nginx would pass PHP to /run/php/php7.4-fpm.sock, where nobody listens",
      "line 35 of /srv/guestbook/server/nginx.conf names it, and PHP-FPM 8.2 listens on /run/php/guestbook.sock",
      "name one of these there",
    ]);
  });

  test("is done when all agrees again, with a variable in the pool's place", async () => {
    const lines = await webServerAfter(
      "sed -i 's#/run/php/php7.4-fpm.sock#/var/run/php/guestbook.sock#' /srv/guestbook/server/nginx.conf; sed -i 's#^listen = .*#listen = /run/php/$pool.sock#' /srv/guestbook/server/php-fpm.conf",
    );
    expect(lines).toEqual([""]);
  });
});
