import { expect, test } from "vitest";
import { parse } from "yaml";
import { verificationTimers } from "../../../scripts/verification-timers.ts";

const options = {
  ...{ site: "club", file: "/srv/100% of a club/site.yaml", verdicts: "our verdicts", agent: false },
  ...{ node: "/usr/bin/node", program: "/opt/recovery-stack/scripts/recovery.js" },
};
const commands = (text: string) => text.split("\n").filter((line) => line.startsWith("ExecStart="));
/** What follows the units, which is YAML. */
const job = (text: string) =>
  parse(text.slice(text.indexOf("\nname: "))) as {
    jobs: { verify: { steps: { run?: string; if?: string }[] } };
  };

test("each of the three has a service of its own: one that fails keeps no other from its work", () => {
  const text = verificationTimers(options);
  const program = "/usr/bin/node /opt/recovery-stack/scripts/recovery.js";
  expect(commands(text)).toEqual([
    `ExecStart=${program} points verify --new --sign --site "/srv/100%% of a club/site.yaml"`,
    `ExecStart=${program} drill --sign --site "/srv/100%% of a club/site.yaml"`,
    `ExecStart=${program} drill --draw --sign --site "/srv/100%% of a club/site.yaml"`,
  ]);
  expect(text.match(/^# \/etc\/systemd\/system\/(verify|prove|draw)-club\.(service|timer)$/gm)).toHaveLength(
    6,
  );
});

test("where a store is read over ssh each has an agent, which ends with it", () => {
  const [verify] = commands(verificationTimers({ ...options, file: "/srv/it's $1/site.yaml", agent: true }));
  expect(verify).toBe(
    `ExecStart=/usr/bin/ssh-agent /bin/sh -c "ssh-add -q /root/.ssh/id_ed25519 && exec /usr/bin/node /opt/recovery-stack/scripts/recovery.js points verify --new --sign --site '/srv/it'\\\\''s $$1/site.yaml'"`,
  );
});

test("the job of CI goes on after a failure, and keeps what was signed", () => {
  const { steps } = job(verificationTimers({ ...options, agent: true })).jobs.verify;
  expect(steps.filter(({ run }) => run?.includes("drill") === true).map((step) => step.if)).toEqual([
    "always() && github.event.schedule == '0 6 2 * *'",
    "always() && github.event.schedule == '0 6 2 * *'",
  ]);
  expect(steps.at(-1)).toMatchObject({
    if: "always()",
    run: expect.stringContaining("git add 'our verdicts'\n") as string,
  });
  expect(steps.some(({ run }) => run?.includes("ssh-add") === true)).toBe(true);
});
