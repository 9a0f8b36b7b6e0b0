import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const served = new URL("../../../host/served.sh", import.meta.url).pathname;
const machine = existsSync("/etc/machine-id") ? readFileSync("/etc/machine-id", "utf8").trim() : "";
const at = "2026-03-01T08:00:00.000Z";

/** What a step that begins with these triggers is told, after a restore with those; "goes on" when it is not refused. */
function told(restored: string[], wanted: string[], over = "", later: object[] = []): string {
  const folder = mkdtempSync(join(tmpdir(), "served-"));
  try {
    const done = { machine, triggers: restored, result: { step: "restore", outcome: "done", startedAt: at } };
    const lines = [done, ...later.map((result) => ({ machine, triggers: restored, result }))];
    writeFileSync(join(folder, "history"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    writeFileSync(join(folder, "request.json"), JSON.stringify({ triggers: wanted }));
    const script = `
      RECOVERY_WORK=${folder} history=${folder}/history ours=${folder}/ours holds=${folder}/holds
      input() { printf '%s' '${over}'; }
      fail() { printf '%s\\n' "$@"; exit 0; }
      . '${served}'
      refuse_over_served
      echo goes on`;
    return execFileSync("bash", ["-euo", "pipefail", "-c", script], { encoding: "utf8" });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const all = ["archive a", "attempt 2", "host-key x", "manifest m", "point first"];
const of = (part: string) => all.map((one) => (one === "attempt 2" ? `attempt 2 of the ${part}` : one));
const other = all.map((one) => (one === "point first" ? "point second" : one));

test.each<[string, string[], string[], string?]>([
  ["of the same restore", all, all],
  ["before the point matters", all, ["attempt 2", "host-key x"]],
  ["of another point, when nobody was served", all, other],
  ["of the same restore of a part", of("database"), of("database")],
  ["of all of it, when the restore of a part is named", of("database"), all, at],
])("a step goes on: one %s", (_, restored, wanted, over) => {
  expect(told(restored, wanted, over)).toBe("goes on\n");
});

test.each<[string, string[]]>([
  ["all of it", all],
  ["the other part", of("application")],
])(
  "what a restore of a part left alone is not replaced unnamed, although nobody was served since: by %s",
  (_, wanted) => {
    expect(told(of("database"), wanted).split("\n")).toEqual([
      `this site was restored here from first at ${at}, and has served since`,
      "only its database was restored then: another restore would replace what its users have done there",
      expect.stringContaining(`pulumi config set again ADDRESS@${at}`),
      "",
    ]);
  },
);

test("a database on its own server has served as soon as its site was let in", () => {
  const point = of("database");
  const another = point.map((one) => (one === "point first" ? "point second" : one));
  const listened = { step: "listen", outcome: "done", startedAt: "2026-03-01T08:05:00.000Z" };
  expect(told(point, another, "", [listened]).split("\n")[1]).toBe(
    `a site on another server is let in since ${listened.startedAt}: another restore would replace what its users have done there`,
  );
  expect(told(all, other, "", [{ ...listened, outcome: "failed" }])).toBe("goes on\n");
  // It was for a restore before.
  expect(told(all, other, "", [{ ...listened, startedAt: "2026-03-01T07:00:00.000Z" }])).toBe("goes on\n");
});
