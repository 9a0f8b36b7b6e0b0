import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { recoveryHost, type RecoveryHost } from "./recovery-host.ts";

let host: RecoveryHost;

/** Runs this with the functions of host/apt.sh at hand. */
const withApt = (script: string) =>
  host.onHost(`set -euo pipefail; . /root/paths.sh; . /root/apt.sh; mkdir -p "$state"; ${script}`);

beforeAll(async () => {
  host = await recoveryHost({ blank: true });
  for (const name of ["paths.sh", "apt.sh"]) {
    const text = await readFile(new URL(`../../host/${name}`, import.meta.url), "utf8");
    await host.onHost(`cat > /root/${name} <<'END-OF-FILE'\n${text}\nEND-OF-FILE`);
  }
  await withApt("update_lists; apt_writing install logrotate sqlite3");
});

afterAll(async () => {
  await host.close();
});

test("an installation that came to its end is on the disk, and nobody looks at it again", async () => {
  expect(await withApt('[[ ! -e $unflushed ]]; set_up; echo "ended"')).toBe("ended\n");
});

test("what a loss of power left empty is installed anew; what somebody had changed before stays", async () => {
  await withApt(`
    echo "# ours" >>/etc/logrotate.d/dpkg
    echo 00000000-0000-4000-8000-000000000000 >"$unflushed"; sync "$unflushed"
    until : >/usr/bin/sqlite3; [[ -n $(find /usr/bin/sqlite3 -newercm "$unflushed") ]]; do :; done # the clock of files is coarse
    : >/etc/logrotate.conf; rm /usr/sbin/logrotate`);
  expect(await withApt("set_up")).toContain("damaged when the server went down: ");
  expect(await host.onHost("sqlite3 :memory: 'SELECT 6 * 7'; tail -n 1 /etc/logrotate.d/dpkg")).toBe(
    "42\n# ours\n",
  );
  expect(
    await withApt(
      'logrotate --debug /etc/logrotate.conf >/dev/null 2>&1; dpkg --verify logrotate sqlite3; [[ ! -e $unflushed ]]; echo "whole"',
    ),
  ).toBe("whole\n");
});

test("an installation that was cut off in this boot needs no more than its end", async () => {
  await withApt('cp /proc/sys/kernel/random/boot_id "$unflushed"; : >/usr/bin/sqlite3');
  expect(await withApt("set_up")).not.toContain("damaged");
});

test("what a failed installation may have left stays marked until a later one is on the disk", async () => {
  const said = await withApt(`
    rm -f "$unflushed"
    apt_writing install no-such-package >/dev/null 2>&1 || marked=$(stat -c %.Y "$unflushed")
    apt_writing install no-such-package >/dev/null 2>&1 || [[ $(stat -c %.Y "$unflushed") == "$marked" ]] && echo "still marked"
    apt_writing install sqlite3 >/dev/null; [[ ! -e $unflushed ]] && echo "on the disk"`);
  expect(said).toBe("still marked\non the disk\n");
});
